"""People in rooms, and the interface of their stores."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple, Protocol


class Person(NamedTuple):
    """A person in a room, with the name that they gave."""

    room: str
    name: str


class Everyone(NamedTuple):
    """Open connections by room, and the people, of one process or of all processes."""

    connections: dict[str, int]
    people: set[Person]


class People(Protocol):
    """The people of all processes. Every method raises `StoreUnavailable`."""

    async def hold(self, people: Iterable[Person]) -> list[Person]:
        """Register people for this process, for a lease; return those new to all processes."""

    async def release(self, people: Iterable[Person]) -> list[Person]:
        """Remove people from this process; return those no longer in any process."""

    async def report(self, connections: dict[str, int]) -> list[Person]:
        """Report this process's connection counts; return the people whose last process died."""

    async def others(self) -> Everyone:
        """Return the connections of the other processes, and the people of all processes."""
