"""WebSocket protocol: what it delivers of a connection that has failed."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from uvicorn.config import Config
from uvicorn.server import ServerState
from websockets.frames import Close, Frame, Opcode

from realtime_demo.protocols import WebSocketProtocol
from tests.support.waiting import BOUND

HANDSHAKE = b"""GET / HTTP/1.1\r
Host: localhost\r
Connection: Upgrade\r
Upgrade: websocket\r
Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r
Sec-WebSocket-Version: 13\r
\r
"""
TEXT = (Opcode.TEXT, b"hi", True)
NOT_UTF_8 = (Opcode.TEXT, b"\xff", True)
FRAGMENT_NOT_UTF_8 = (Opcode.TEXT, b"\xff", False)
LAST_FRAGMENT = (Opcode.CONT, b"hi", True)
CLOSE = (Opcode.CLOSE, Close(1000, "").serialize(), True)


class Transport(asyncio.Transport):
    """A transport that discards what is written."""

    closing = False

    def write(self, data: Any) -> None:
        pass

    def close(self) -> None:
        self.closing = True

    def is_closing(self) -> bool:
        return self.closing

    def pause_reading(self) -> None:
        pass

    def resume_reading(self) -> None:
        pass


@pytest.mark.parametrize("before", [[], [TEXT]])
@pytest.mark.parametrize("frames", [[NOT_UTF_8, TEXT], [FRAGMENT_NOT_UTF_8, LAST_FRAGMENT]])
async def test_nothing_is_delivered_after_invalid_text(before: list[Any], frames: Any) -> None:
    """A close frame that arrives together with the text does not change that (RFC 6455 §7.1.7)."""
    received: list[dict[str, Any]] = []
    accepted, ended = asyncio.Event(), asyncio.Event()

    async def application(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send({"type": "websocket.accept"})
        accepted.set()
        while not received or received[-1]["type"] == "websocket.receive":
            received.append(await receive())
        ended.set()

    config = Config(application, lifespan="off", log_config=None, ws_per_message_deflate=False)
    config.load()
    transport = Transport()
    protocol = WebSocketProtocol(config, ServerState(), {}, asyncio.get_running_loop())
    protocol.connection_made(transport)
    async with asyncio.timeout(BOUND):
        protocol.data_received(HANDSHAKE)
        await accepted.wait()
        for part in (before, [*frames, CLOSE]):
            data = [Frame(code, data, fin).serialize(mask=True) for code, data, fin in part]
            protocol.data_received(b"".join(data))
        await ended.wait()
    assert [message.get("text") for message in received[:-1]] == ["hi"] * len(before)
    assert received[-1] == {"type": "websocket.disconnect", "code": 1000, "reason": ""}
    assert transport.closing
