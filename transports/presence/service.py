"""Who is here: the people of each room, and the events that tell of their coming and going.

Whoever asks for it is present, with `?name=` on any technique; watchers and programs that do
not are counted and no more. Someone is present while one of their connections is, and
`LINGER` seconds longer, so that a long poll or a reconnection is no coming and going.
"""

from __future__ import annotations

import asyncio
import contextvars
import logging
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Literal, NamedTuple, Protocol
from weakref import WeakKeyDictionary

from django.conf import settings

from transports import feed
from transports.http.request import Request
from transports.http.throttling import take_turn
from transports.store.base import HistoryUnavailable
from transports.store.redis.store import RedisHistory

logger = logging.getLogger(__name__)

LINGER = 10.0  # seconds someone stays after their last connection
PATIENCE = 1.0  # seconds that who comes in waits to be announced
SWEEP_INTERVAL = 1.0  # seconds between looks for those who stayed long enough
REPORT_INTERVAL = 5.0  # seconds between two reports to the other processes
FRESHNESS = 1.0  # seconds for which a list of everyone is given out again
MOST_PEOPLE = 10_000  # in one process; who comes after them is not announced


class Person(NamedTuple):
    """Someone in a room, by the name under which they came in."""

    room: str
    name: str


class Everyone(NamedTuple):
    """Open connections by room, and the people, of one process or of all."""

    connections: dict[str, int]
    people: set[Person]


class Store(Protocol):
    """The people of all processes. Every method raises `HistoryUnavailable`."""

    async def hold(self, people: Iterable[Person]) -> list[Person]:
        """This process has them, for a while; returns those whom no process had."""
        ...

    async def release(self, people: Iterable[Person]) -> list[Person]:
        """This process has them no longer; returns those whom now no process has."""
        ...

    async def report(self, connections: dict[str, int]) -> list[Person]:
        """This process's connections; returns those whom a process had that is no more."""
        ...

    async def others(self) -> Everyone:
        """The connections of the other processes, and the people of all."""
        ...


@dataclass
class MemoryPeople:
    """The store of a process that is alone."""

    people: set[Person] = field(default_factory=set)

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


@dataclass
class _Stay:
    connections: int = 0
    ended_at: float = 0.0  # on the loop's clock; of use while connections is 0
    was_told: bool = False  # to the store

    def is_over(self, now: float) -> bool:
        return not self.connections and now - self.ended_at > LINGER


@dataclass
class Presence:
    """The people of one process, and through the store those of all."""

    store: Store
    _stays: dict[Person, _Stay] = field(default_factory=dict)
    _asking: asyncio.Lock = field(default_factory=asyncio.Lock)  # one word to the store at a time
    _announcing: set[asyncio.Task[None]] = field(default_factory=set)
    _task: asyncio.Task[None] | None = None
    _reported_at: float = float("-inf")
    _everyone: tuple[float, Everyone] | None = None

    @asynccontextmanager
    async def here(self, request: Request, room: str, name: str) -> AsyncIterator[None]:
        """Present while the block lasts. Raises `Problem` for one who comes too often."""
        self.start()
        person = Person(room, name)
        stay = self._stays.get(person)
        if stay is not None:
            stay.connections += 1
        elif len(self._stays) < MOST_PEOPLE:
            take_turn(request.scope)
            stay = self._stays[person] = _Stay(connections=1)
        try:
            if stay is not None and not stay.was_told:
                stay.was_told = True
                await self._announce(person)
            yield
        finally:
            if stay is not None:
                stay.connections -= 1
                stay.ended_at = asyncio.get_running_loop().time()

    async def everyone(self) -> Everyone:
        """All connections and people. Raises `HistoryUnavailable`."""
        now = asyncio.get_running_loop().time()
        if self._everyone is None or now - self._everyone[0] > FRESHNESS:
            connections, people = await self.store.others()
            connections = dict(connections)
            for room, count in feed.hub().connections.items():
                connections[room] = connections.get(room, 0) + count
            self._everyone = now, Everyone(connections, set(people))
        return self._everyone[1]

    def start(self) -> None:
        """Begin the sweeps, unless they have."""
        if self._task is None:
            loop = asyncio.get_running_loop()
            # An empty context: it outlives the request that happened to start it.
            self._task = loop.create_task(self._sweep(), context=contextvars.Context())

    async def close(self) -> None:
        tasks = {*self._announcing, *([self._task] if self._task is not None else [])}
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)

    async def _sweep(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(SWEEP_INTERVAL)
            try:
                await self._look(loop.time())
            except HistoryUnavailable as error:
                logger.warning("Nobody can be told who is here (%s).", error)
            except Exception:
                logger.exception("Who is here could not be looked through")

    async def _look(self, now: float) -> None:
        ended = [person for person, stay in self._stays.items() if stay.is_over(now)]
        for person in ended:
            del self._stays[person]
        if ended:
            async with self._asking:
                back = [person for person in ended if person in self._stays]
                left = await self.store.release(set(ended).difference(back))
            await self._tell("leave", left)
        if now - self._reported_at > REPORT_INTERVAL:
            self._reported_at = now
            # First those who are here: a store that was flushed has forgotten them, and after an
            # outage their time is over.
            await self._arrived(list(self._stays))
            async with self._asking:
                gone = await self.store.report(feed.hub().connections)
            await self._tell("leave", gone)

    async def _announce(self, person: Person) -> None:
        # Not cancelled with who waits for it: the store says once who is new.
        loop = asyncio.get_running_loop()
        announcing = loop.create_task(self._arrived([person]), context=contextvars.Context())
        self._announcing.add(announcing)
        announcing.add_done_callback(self._announcing.discard)
        await asyncio.wait({announcing}, timeout=PATIENCE)

    async def _arrived(self, people: list[Person]) -> None:
        try:
            async with self._asking:
                now, stays = asyncio.get_running_loop().time(), self._stays
                people = [each for each in people if each in stays and not stays[each].is_over(now)]
                new = await self.store.hold(people) if people else []
            await self._tell("join", new)
        except HistoryUnavailable as error:  # the list is put right by the next sweep
            logger.warning("Nobody can be told who is here (%s).", error)

    async def _tell(self, kind: Literal["join", "leave"], people: Iterable[Person]) -> None:
        for person in people:
            await feed.publish(person.room, person.name, "", kind)


_presences: WeakKeyDictionary[asyncio.AbstractEventLoop, Presence] = WeakKeyDictionary()


def presence() -> Presence:
    """The running loop's presence, beside its hub."""
    loop = asyncio.get_running_loop()
    found = _presences.get(loop)
    if found is None:
        found = _presences[loop] = Presence(_new_store())
    return found


def _new_store() -> Store:
    from transports.presence.redis import RedisPeople

    history = feed.hub().history
    if isinstance(history, RedisHistory):
        return RedisPeople(history.redis, prefix=settings.REDIS_PREFIX)
    return MemoryPeople()


@asynccontextmanager
async def present(request: Request, room: str) -> AsyncIterator[None]:
    """Present in `room` while the block lasts, if the request asks for it."""
    name = request.own_name
    if name is None:
        yield
        return
    async with presence().here(request, room, name):
        yield


async def aclose() -> None:
    """End the running loop's presence."""
    found = _presences.pop(asyncio.get_running_loop(), None)
    if found is not None:
        await found.close()
