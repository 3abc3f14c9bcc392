"""Who is present in each room, and the events that tell of joining and leaving.

With `?name=` on any technique a client is present; the others are only counted. A person is
present while one of their connections is, and `LINGER` seconds longer, so that neither a long
poll nor a reconnection counts as leaving.
"""

from __future__ import annotations

import asyncio
import contextvars
import logging
from collections.abc import AsyncIterator, Iterable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from typing import Literal
from weakref import WeakKeyDictionary

from django.utils.module_loading import import_string

from transports import feed, hub
from transports.conf import conf
from transports.events import Draft
from transports.http.names import name_in, name_of
from transports.http.request import Request
from transports.http.scope import Application, Receive, Scope, Send
from transports.http.throttling import take_turn
from transports.presence.base import Everyone, People, Person
from transports.store.base import StoreUnavailable

logger = logging.getLogger(__name__)

MEMORY_PEOPLE = "transports.presence.memory.MemoryPeople"
REDIS_PEOPLE = "transports.presence.redis.RedisPeople"
LINGER = 10.0  # seconds a person stays after their last connection
PATIENCE = 1.0  # seconds a connection waits to be announced
SWEEP_INTERVAL = 1.0  # seconds between looks for people who have left
REPORT_INTERVAL = 5.0  # seconds between two reports to the other processes
FRESHNESS = 1.0  # seconds for which a list of everyone is given out again
MOST_PEOPLE = 10_000  # in one process; those beyond are not announced


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

    store: People
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
            take_turn(request)
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
        """All connections and people. Raises `StoreUnavailable`."""
        now = asyncio.get_running_loop().time()
        if self._everyone is None or now - self._everyone[0] > FRESHNESS:
            connections, people = await self.store.others()
            connections = dict(connections)
            for room, count in hub.current().connections.items():
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
            except StoreUnavailable as error:
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
                gone = await self.store.report(hub.current().connections)
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
        except StoreUnavailable as error:  # the list is put right by the next sweep
            logger.warning("Nobody can be told who is here (%s).", error)

    async def _tell(self, kind: Literal["join", "leave"], people: Iterable[Person]) -> None:
        for person in people:
            await feed.publish(Draft(person.room, person.name, "", kind))


_presences: WeakKeyDictionary[asyncio.AbstractEventLoop, Presence] = WeakKeyDictionary()


def presence() -> Presence:
    """The running loop's presence, beside its hub."""
    loop = asyncio.get_running_loop()
    found = _presences.get(loop)
    if found is None:
        people = import_string(REDIS_PEOPLE if conf.REDIS_URL else MEMORY_PEOPLE)
        found = _presences[loop] = Presence(people.from_settings())
    return found


async def aclose() -> None:
    """End the running loop's presence."""
    found = _presences.pop(asyncio.get_running_loop(), None)
    if found is not None:
        await found.close()


def own_name(request: Request) -> str:
    """The name to be present under: a user's own, or the one in `?name=`. Raises `Problem`."""
    if request.user.is_authenticated:
        return name_of(request.user)
    return name_in(request.query, "name")


class PresenceMiddleware:
    """Announces the clients that give a name: the `transports.http.request.Presence` of a scope."""

    def __init__(self, application: Application) -> None:
        self.application = application

    async def start(self) -> None:
        """Send this process's reports to the others, as a service of `Boundary`."""
        if conf.REDIS_URL:
            presence().start()

    async def stop(self) -> None:
        """The people of this process leave by its last report."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self.application({**scope, "presence": self}, receive, send)

    def present(self, request: Request, room: str) -> AbstractAsyncContextManager[None]:
        return presence().here(request, room, own_name(request))
