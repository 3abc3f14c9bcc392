"""What is measured: the tutorial's chat, and each technique that is told of events."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, replace

from benchmarks.framing import (
    FRAMINGS,
    Framing,
    WebSocketFraming,
)
from benchmarks.publishers import ChatPublisher, Publisher, http_publisher
from benchmarks.servers import OURS, OURS_ON_DAPHNE, TUTORIAL, Program
from benchmarks.subscribers import Audience, audience
from transports.registry import BY_NAME

Stage = tuple[Audience, Publisher]


@dataclass(frozen=True)
class Contestant:
    """A server, a path on it (with `{room}`), how events are framed there, and how published."""

    name: str
    label: str
    program: Program
    path: str
    framing: Callable[[str, str], Framing]
    stage: Callable[[Contestant, int, str, int], AbstractAsyncContextManager[Stage]]
    burst: int = 200  # events, when as many are published as fast as possible

    def open(self, port: int, room: str, subscribers: int) -> AbstractAsyncContextManager[Stage]:
        """So many subscribers to `room`, opened, and someone to publish in it."""
        return self.stage(self, port, room, subscribers)

    def framed(self, port: int, room: str) -> Framing:
        return self.framing(self.path.format(room=room), f"127.0.0.1:{port}")


@asynccontextmanager
async def _posted(
    contestant: Contestant, port: int, room: str, subscribers: int
) -> AsyncIterator[Stage]:
    framing = contestant.framed(port, room)
    async with (
        audience(framing, port, subscribers) as listeners,
        http_publisher(port, room) as publisher,
    ):
        yield listeners, publisher


@asynccontextmanager
async def _chatted(
    contestant: Contestant, port: int, room: str, subscribers: int
) -> AsyncIterator[Stage]:
    # Who publishes in a chat is one of its members.
    async with audience(contestant.framed(port, room), port, subscribers) as listeners:
        yield listeners, ChatPublisher(listeners.members[0])


def _technique(name: str, burst: int = 200) -> Contestant:
    technique = BY_NAME[name]
    framing = FRAMINGS[technique.framing]
    return Contestant(name, technique.label, OURS, technique.path, framing, _posted, burst)


BASELINE = Contestant(
    "tutorial",
    "Channels tutorial, WebSocket",
    TUTORIAL,
    "/ws/chat/{room}/",
    WebSocketFraming,
    _chatted,
    burst=20,
)
CONTESTANTS = (
    BASELINE,
    _technique("websocket"),
    _technique("sse"),
    _technique("streaming"),
    _technique("longpoll", burst=20),
    _technique("websocket-sync", burst=20),
    replace(
        _technique("websocket", burst=60),
        name="websocket-daphne",
        label="WebSocket, on plain Daphne",
        program=OURS_ON_DAPHNE,
    ),
)
CONTESTANT = {contestant.name: contestant for contestant in CONTESTANTS}
