"""The people of the rooms, and the interface of what holds them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple, Protocol


class Person(NamedTuple):
    """Someone in a room, by the name that they gave."""

    room: str
    name: str


class Everyone(NamedTuple):
    """Open connections by room, and the people, of one process or of all."""

    connections: dict[str, int]
    people: set[Person]


class People(Protocol):
    """The people of all processes. Every method raises `StoreUnavailable`."""

    async def hold(self, people: Iterable[Person]) -> list[Person]:
        """Register them for this process, for a while; return those whom no process had."""
        ...

    async def release(self, people: Iterable[Person]) -> list[Person]:
        """Remove them from this process; return those whom now no process has."""
        ...

    async def report(self, connections: dict[str, int]) -> list[Person]:
        """Report this process's connection counts; return the people whose last process died."""
        ...

    async def others(self) -> Everyone:
        """Return the connections of the other processes, and the people of all."""
        ...
