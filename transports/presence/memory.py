"""The people of one process, in its memory."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from transports.presence.base import Everyone, Person


@dataclass
class MemoryPeople:
    """`People` of a process that is alone."""

    people: set[Person] = field(default_factory=set)

    @classmethod
    def from_settings(cls) -> MemoryPeople:
        return cls()

    async def hold(self, people: Iterable[Person]) -> list[Person]:
        new = [person for person in people if person not in self.people]
        self.people.update(new)
        return new

    async def release(self, people: Iterable[Person]) -> list[Person]:
        gone = [person for person in people if person in self.people]
        self.people.difference_update(gone)
        return gone

    async def report(self, connections: dict[str, int]) -> list[Person]:
        return []

    async def others(self) -> Everyone:
        return Everyone({}, self.people)
