"""`WS /stage/live/`: the state document after each change. Messages of clients are ignored."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Any

from transports.events import encode
from transports.http.origin import check_origin
from transports.http.problems import Problem
from transports.http.request import Request
from transports.http.scope import Receive, Scope, Send, check_host

from .ipc import parent

SERVICE_RESTART = 1012  # IANA WebSocket Close Code Number Registry


class StateSocket:
    """An ASGI application that sends the state document over a WebSocket."""

    @classmethod
    def as_asgi(cls) -> Any:
        return cls()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            check_host(scope)
            check_origin(scope)
            Request(scope)
        except Problem as problem:
            await send(_close(problem.close_code, problem.close_reason))
            return
        await send({"type": "websocket.accept"})
        sending = asyncio.create_task(_send_states(send))
        try:
            while (await receive())["type"] != "websocket.disconnect":
                pass
        finally:
            sending.cancel()
            with suppress(asyncio.CancelledError, OSError):  # OSError: the client has left
                await sending


async def _send_states(send: Send) -> None:
    async for state in parent.states():
        await send({"type": "websocket.send", "text": encode(state).decode()})
    await send(_close(SERVICE_RESTART, "service restart"))


def _close(code: int, reason: str) -> dict[str, object]:
    return {"type": "websocket.close", "code": code, "reason": reason}
