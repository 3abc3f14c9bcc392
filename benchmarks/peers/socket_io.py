"""A chat on Socket.IO: a client joins a room as it connects, and sends to any room.

The client names its room in the payload of its connection (`auth`), so that it is a member by
the time the server confirms the connection.
"""

from __future__ import annotations

from typing import Any

import socketio

server = socketio.AsyncServer(async_mode="asgi")
application = socketio.ASGIApp(server)


@server.event  # type: ignore[untyped-decorator]
async def connect(sid: str, environ: dict[str, Any], auth: dict[str, str]) -> None:
    await server.enter_room(sid, auth["room"])


@server.event  # type: ignore[untyped-decorator]
async def message(sid: str, data: dict[str, str]) -> None:
    await server.emit("message", {"text": data["text"]}, room=data["room"])
