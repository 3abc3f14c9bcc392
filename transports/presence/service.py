"""Presence: the people in each room, and the events when they join and leave.

A client with `?name=` is present, on any technique; the others are only counted. A person is
present while one of their connections is open, and `LINGER` seconds longer, so that neither a long
poll nor a reconnection counts as leaving.
"""

from __future__ import annotations

import asyncio
import contextvars
import logging
from collections.abc import AsyncIterator, Awaitable, Iterable
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
ANNOUNCE_TIMEOUT = 1.0  # seconds a connection waits to be announced
SWEEP_INTERVAL = 1.0  # seconds between checks for people who have left
REPORT_INTERVAL = 5.0  # seconds between reports to the other processes, if connections change
RENEWAL_INTERVAL = 10.0  # the same, if they do not
FRESHNESS = 1.0  # seconds for which a list of everyone is cached
MOST_PEOPLE = 10_000  # in one process; further people are not announced


@dataclass
class _Stay:
    connections: int = 0
    ended_at: float = 0.0  # in seconds on the loop's clock; valid while connections is 0
    is_announced: bool = False  # to the store

    def is_over(self, now: float) -> bool:
        return not self.connections and now - self.ended_at > LINGER


@dataclass
class Presence:
    """The people of one process, and through the store those of all processes."""

    store: People
    _stays: dict[Person, _Stay] = field(default_factory=dict)
    _store_lock: asyncio.Lock = field(default_factory=asyncio.Lock)  # one command at a time
    _announcing: set[asyncio.Task[None]] = field(default_factory=set)
    _task: asyncio.Task[None] | None = None
    _reported_at: float = float("-inf")
    _reported: dict[str, int] = field(default_factory=dict)
    _everyone: tuple[float, Everyone] | None = None

    @asynccontextmanager
    async def staying(self, request: Request, room: str, name: str) -> AsyncIterator[None]:
        """Keep `name` present while the block lasts. Raises `Problem` at too high a rate."""
        self.start()
        person = Person(room, name)
        stay = self._stays.get(person)
        if stay is not None:
            stay.connections += 1
        elif len(self._stays) < MOST_PEOPLE:
            take_turn(request)
            stay = self._stays[person] = _Stay(connections=1)
        try:
            if stay is not None and not stay.is_announced:
                stay.is_announced = True
                await self._announce(person)
            yield
        finally:
            if stay is not None:
                stay.connections -= 1
                stay.ended_at = asyncio.get_running_loop().time()

    async def everyone(self) -> Everyone:
        """Return all connections and people. Raises `StoreUnavailable`."""
        now = asyncio.get_running_loop().time()
        if self._everyone is None or now - self._everyone[0] > FRESHNESS:
            connections, people = await self.store.others()
            connections = dict(connections)
            for room, count in hub.current().connections.items():
                connections[room] = connections.get(room, 0) + count
            self._everyone = now, Everyone(connections, set(people))
        return self._everyone[1]

    def start(self) -> None:
        """Start the sweeps, unless they are running."""
        if self._task is None:
            loop = asyncio.get_running_loop()
            # An empty context: the sweep outlives the request that started it.
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
                await self._update(loop.time())
            except StoreUnavailable as error:
                logger.warning("People could not be announced (%s).", error)
            except Exception:
                logger.exception("The sweep of presence failed")

    async def _update(self, now: float) -> None:
        ended = [person for person, stay in self._stays.items() if stay.is_over(now)]
        for person in ended:
            del self._stays[person]
        if ended:
            async with self._store_lock:
                present_again = [person for person in ended if person in self._stays]
                removed = await self.store.release(set(ended).difference(present_again))
            await self._publish("leave", removed)
        connections = hub.current().connections
        is_news = bool(self._stays) or connections != self._reported
        if now - self._reported_at > (REPORT_INTERVAL if is_news else RENEWAL_INTERVAL):
            self._reported_at, self._reported = now, connections
            # Register the present people first: a flushed store has lost them, and during an
            # outage their leases expire.
            await self._register(list(self._stays))
            async with self._store_lock:
                removed = await self.store.report(connections)
            await self._publish("leave", removed)

    async def _announce(self, person: Person) -> None:
        # A separate task, not cancelled with the request: the store returns a new person only once.
        loop = asyncio.get_running_loop()
        announcing = loop.create_task(self._register([person]), context=contextvars.Context())
        self._announcing.add(announcing)
        announcing.add_done_callback(self._announcing.discard)
        await asyncio.wait({announcing}, timeout=ANNOUNCE_TIMEOUT)

    async def _register(self, people: list[Person]) -> None:
        try:
            async with self._store_lock:
                now, stays = asyncio.get_running_loop().time(), self._stays
                people = [each for each in people if each in stays and not stays[each].is_over(now)]
                new = await self.store.hold(people) if people else []
            await self._publish("join", new)
        except StoreUnavailable as error:  # the next sweep retries
            logger.warning("People could not be announced (%s).", error)

    async def _publish(self, kind: Literal["join", "leave"], people: Iterable[Person]) -> None:
        for person in people:
            await feed.publish(Draft(person.room, person.name, "", kind))


_presences: WeakKeyDictionary[asyncio.AbstractEventLoop, Presence] = WeakKeyDictionary()


def presence() -> Presence:
    """Return the running loop's presence, created on first use."""
    loop = asyncio.get_running_loop()
    current_presence = _presences.get(loop)
    if current_presence is None:
        people = import_string(REDIS_PEOPLE if conf.REDIS_URL else MEMORY_PEOPLE)
        current_presence = _presences[loop] = Presence(people.from_settings())
    return current_presence


async def aclose() -> None:
    """Close the running loop's presence."""
    current_presence = _presences.pop(asyncio.get_running_loop(), None)
    if current_presence is not None:
        await current_presence.close()


def own_name(request: Request) -> str:
    """Return the name to announce: the user's, or the one in `?name=`. Raises `Problem`."""
    if request.user.is_authenticated:
        return name_of(request.user)
    return name_in(request.query, "name")


class PresenceMiddleware:
    """ASGI middleware that announces clients with a name.

    It is the `transports.http.request.Announcer` of each scope.
    """

    def __init__(self, application: Application) -> None:
        self.application = application

    async def start(self) -> None:
        """Send this process's reports to the others, as a service of `Boundary`."""
        if conf.REDIS_URL:
            presence().start()

    async def stop(self) -> None:
        """Do nothing: the lease of the last report expires."""

    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        scope["presence"] = self
        return self.application(scope, receive, send)

    def present(self, request: Request, room: str) -> AbstractAsyncContextManager[None]:
        return presence().staying(request, room, own_name(request))
