"""The contestants: each technique of this project on each server, and the peers beside them."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass

from benchmarks.framing import (
    FRAMINGS,
    EventStreamFraming,
    Framing,
    SocketIOFraming,
    SocketIOPollingFraming,
    WebSocketFraming,
    text_of,
)
from benchmarks.publishers import MessagePublisher, Publisher, Text, http_publisher
from benchmarks.servers import EVENTSTREAM, OURS, SOCKET_IO, TUTORIAL, Program
from benchmarks.subscribers import Audience, audience
from transports.registry import BY_NAME

OpenPublisher = Callable[[int, str, Audience, Text], AbstractAsyncContextManager[Publisher]]
FANOUT, POLLS, IDLE, STALLED = SCENARIOS = ("fanout", "polls", "idle", "stalled")
DEFAULT_SERVER = "uvicorn"


@dataclass(frozen=True)
class Contestant:
    """A program, a path on it (with `{room}`), how events are framed there, and how published.

    `burst` is the number of events in the load that is published as fast as possible.
    """

    name: str
    label: str
    program: Program
    path: str
    framing: Callable[[str, str], Framing]
    publisher: OpenPublisher
    scenarios: tuple[str, ...]
    burst: int = 200

    @asynccontextmanager
    async def open(
        self, port: int, room: str, subscribers: int, text: Text = text_of
    ) -> AsyncIterator[tuple[Audience, Publisher]]:
        """Open so many subscribers to `room`, and a publisher of events with this `text`."""
        async with (
            audience(self.framed(port, room), port, subscribers) as listeners,
            self.publisher(port, room, listeners, text) as publisher,
        ):
            yield listeners, publisher

    def framed(self, port: int, room: str) -> Framing:
        return self.framing(self.path.format(room=room), f"127.0.0.1:{port}")

    @property
    def is_ours(self) -> bool:
        return self.program in OURS.values()

    @property
    def is_default(self) -> bool:
        """Whether it is this project's application on the server that serves it by default."""
        return self.program is OURS[DEFAULT_SERVER]


def by_post(
    port: int, room: str, listeners: Audience, text: Text
) -> AbstractAsyncContextManager[Publisher]:
    return http_publisher(port, room, text)


@asynccontextmanager
async def by_chat(
    port: int, room: str, listeners: Audience, text: Text
) -> AsyncIterator[Publisher]:
    """A member of the tutorial's chat publishes."""
    yield MessagePublisher(
        listeners.members[0], lambda said: json.dumps({"message": said}).encode(), text
    )


@asynccontextmanager
async def by_socket_io(
    port: int, room: str, listeners: Audience, text: Text
) -> AsyncIterator[Publisher]:
    """A client of Socket.IO in a room of its own publishes."""

    def packet(said: str) -> bytes:
        return b"42" + json.dumps(["message", {"room": room, "text": said}]).encode()

    framing = SocketIOFraming(f"{room}-publisher", f"127.0.0.1:{port}")
    async with audience(framing, port, 1) as publishers:
        yield MessagePublisher(publishers.members[0], packet, text)


_COMPARED = ("websocket", "sse", "streaming", "longpoll", "polling", "websocket-sync")
_SCENARIOS: dict[str, tuple[str, ...]] = {
    "longpoll": (FANOUT, IDLE),
    "polling": (POLLS,),
    "websocket-sync": (FANOUT,),
}
_EVERYWHERE = ("websocket", "sse", "longpoll", "polling")


def _technique(name: str, server: str) -> Contestant:
    technique = BY_NAME[name]
    return Contestant(
        name if server == DEFAULT_SERVER else f"{name}-{server}",
        f"{technique.label}, {server.capitalize()}",
        OURS[server],
        technique.path,
        FRAMINGS[technique.framing],
        by_post,
        _SCENARIOS.get(name, (FANOUT, IDLE, STALLED)),
        burst=20 if name in ("longpoll", "websocket-sync") else 200,
    )


BASELINE = Contestant(
    "tutorial",
    "Channels tutorial: WebSocket, Daphne",
    TUTORIAL,
    "/ws/chat/{room}/",
    WebSocketFraming,
    by_chat,
    SCENARIOS,
    burst=20,
)
CONTESTANTS = (
    BASELINE,
    *(
        Contestant(
            f"eventstream-{server}" if server == "daphne" else "eventstream",
            f"django-eventstream: SSE, {server.capitalize()}",
            EVENTSTREAM[server],
            "/events/{room}/",
            EventStreamFraming,
            by_post,
            (FANOUT, IDLE, STALLED),
        )
        for server in EVENTSTREAM
    ),
    Contestant(
        "socketio",
        "python-socketio: WebSocket, Uvicorn",
        SOCKET_IO,
        "{room}",
        SocketIOFraming,
        by_socket_io,
        (FANOUT, IDLE, STALLED),
    ),
    Contestant(
        "socketio-polling",
        "python-socketio: long polling, Uvicorn",
        SOCKET_IO,
        "{room}",
        SocketIOPollingFraming,
        by_socket_io,
        (FANOUT, IDLE),
        burst=20,
    ),
    *(_technique(name, DEFAULT_SERVER) for name in _COMPARED),
    *(
        _technique(name, server)
        for server in OURS
        if server != DEFAULT_SERVER
        for name in _EVERYWHERE
    ),
)
CONTESTANT = {contestant.name: contestant for contestant in CONTESTANTS}
