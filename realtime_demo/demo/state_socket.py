"""`WS /stage/live/`: the state document, whenever it changes. What a client sends is ignored."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Any

from transports.events import encode
from transports.http.problems import Problem
from transports.http.request import Request
from transports.http.scope import Receive, Scope, Send, check_host, check_origin

from .ipc import parent

SERVICE_RESTART = 1012  # IANA WebSocket Close Code Number Registry


class StateSocket:
    """A plain ASGI application: one socket costs no thread."""

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
        telling = asyncio.create_task(self._tell(send))
        try:
            while (await receive())["type"] != "websocket.disconnect":
                pass
        finally:
            telling.cancel()
            with suppress(asyncio.CancelledError):
                await telling

    async def _tell(self, send: Send) -> None:
        async for state in parent.states():
            await send({"type": "websocket.send", "text": encode(state).decode()})
        await send(_close(SERVICE_RESTART, "service restart"))


def _close(code: int, reason: str) -> dict[str, object]:
    return {"type": "websocket.close", "code": code, "reason": reason}
