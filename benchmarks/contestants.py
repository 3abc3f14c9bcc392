"""The contestants: each technique of this project on each server, and the peers."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, replace

from benchmarks.framing import (
    FRAMINGS,
    EventStreamFraming,
    Framing,
    SocketIOFraming,
    SocketIOPollingFraming,
    WebSocketFraming,
    text_of,
)
from benchmarks.publishers import HttpPublisher, LoadPublisher, MessagePublisher, Text
from benchmarks.servers import EVENTSTREAM, OURS, SOCKET_IO, TUTORIAL, Program
from benchmarks.subscribers import SubscriberGroup, subscriber_group
from transports.registry import BY_NAME

OpenPublisher = Callable[
    [int, str, SubscriberGroup, Text], AbstractAsyncContextManager[LoadPublisher]
]
FANOUT, ONE_TO_ONE, POLLS, IDLE, STALLED = SCENARIOS = (
    "fanout",
    "one-to-one",
    "polls",
    "idle",
    "stalled",
)
DEFAULT_SERVER = "uvicorn"


@dataclass(frozen=True)
class Contestant:
    """A program, a path on it (with `{room}`), the framing of its events, and its publisher.

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
    ) -> AsyncIterator[tuple[SubscriberGroup, LoadPublisher]]:
        """Open `subscribers` subscribers to `room`, and a publisher of events with this `text`."""
        async with (
            subscriber_group(self.framed(port, room), port, subscribers) as listeners,
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
        """Whether this is the project's application on its default server."""
        return self.program is OURS[DEFAULT_SERVER]


def by_post(port: int, room: str, listeners: SubscriberGroup, text: Text) -> HttpPublisher:
    return HttpPublisher(port, room, text)


@asynccontextmanager
async def by_chat(
    port: int, room: str, listeners: SubscriberGroup, text: Text
) -> AsyncIterator[LoadPublisher]:
    """Publish as a member of the tutorial's chat."""
    yield MessagePublisher(
        listeners.members[0], lambda message: json.dumps({"message": message}).encode(), text
    )


@asynccontextmanager
async def by_socket_io(
    port: int, room: str, listeners: SubscriberGroup, text: Text
) -> AsyncIterator[LoadPublisher]:
    """Publish as a Socket.IO client in its own room."""

    def packet(message: str) -> bytes:
        return b"42" + json.dumps(["message", {"room": room, "text": message}]).encode()

    framing = SocketIOFraming(f"{room}-publisher", f"127.0.0.1:{port}")
    async with subscriber_group(framing, port, 1) as publishers:
        yield MessagePublisher(publishers.members[0], packet, text)


@asynccontextmanager
async def by_websocket(
    port: int, room: str, listeners: SubscriberGroup, text: Text
) -> AsyncIterator[LoadPublisher]:
    """Publish as a WebSocket client in its own room."""

    def message(text: str) -> bytes:
        document = {"type": "publish", "room": room, "sender": "benchmark", "text": text}
        return json.dumps(document).encode()

    path = BY_NAME["websocket"].url_path(f"{room}-publisher")
    framing = WebSocketFraming(path, f"127.0.0.1:{port}")
    async with subscriber_group(framing, port, 1) as publishers:
        yield MessagePublisher(publishers.members[0], message, text)


_COMPARED = ("websocket", "sse", "streaming", "longpoll", "polling", "websocket-sync")
_SCENARIOS: dict[str, tuple[str, ...]] = {
    "longpoll": (FANOUT, ONE_TO_ONE, IDLE),
    "polling": (POLLS,),
    "websocket-sync": (FANOUT, ONE_TO_ONE),
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
        _SCENARIOS.get(name, (FANOUT, ONE_TO_ONE, IDLE, STALLED)),
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
            (FANOUT, ONE_TO_ONE, IDLE, STALLED),
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
        (FANOUT, ONE_TO_ONE, IDLE, STALLED),
    ),
    Contestant(
        "socketio-polling",
        "python-socketio: long polling, Uvicorn",
        SOCKET_IO,
        "{room}",
        SocketIOPollingFraming,
        by_socket_io,
        (FANOUT, ONE_TO_ONE, IDLE),
        burst=20,
    ),
    *(_technique(name, DEFAULT_SERVER) for name in _COMPARED),
    replace(
        _technique("websocket", DEFAULT_SERVER),
        name="websocket-publish",
        label="WebSocket, published over WebSocket, Uvicorn",
        publisher=by_websocket,
        scenarios=(FANOUT, ONE_TO_ONE),
    ),
    *(
        _technique(name, server)
        for server in OURS
        if server != DEFAULT_SERVER
        for name in _EVERYWHERE
    ),
)
CONTESTANT = {contestant.name: contestant for contestant in CONTESTANTS}
