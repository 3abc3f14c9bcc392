"""A token stack: `/whoami/`, a socket that sends the name of its user."""

from realtime_demo.workshop.application import build_application  # isort: skip

from typing import Any

from django.urls import re_path

from transports.http.scope import Application, Receive, Scope, Send, header

USERS = {"c2VjcmV0LWFkYQ": "ada", "c2VjcmV0LWdyYWNl": "grace"}  # by token
VERSION = "realtime.v1"  # the subprotocol of the messages
TOKEN = "token."  # the start of the subprotocol in which a browser sends its token


class TokenAuthMiddleware:
    """Sets `scope["user"]` from the client's token; without a token it is "anonymous"."""

    def __init__(self, application: Application) -> None:
        self.application = application

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        scheme, _, token = header(scope, b"authorization").decode("latin-1").partition(" ")
        if scheme.lower() != "bearer":
            offered = [name for name in scope["subprotocols"] if name.startswith(TOKEN)]
            token = offered[0].removeprefix(TOKEN) if offered else ""
        user = USERS.get(token) if token else "anonymous"
        if user is None:
            await send({"type": "websocket.close"})  # before accepting: status 403
        else:
            await self.application({**scope, "user": user}, receive, send)


async def who_am_i(scope: Scope, receive: Receive, send: Send) -> None:
    await receive()
    subprotocol = VERSION if VERSION in scope["subprotocols"] else None
    await send({"type": "websocket.accept", "subprotocol": subprotocol})
    await send({"type": "websocket.send", "text": scope["user"]})
    await send({"type": "websocket.close"})


whoami: Any = TokenAuthMiddleware(who_am_i)
application = build_application(websocket=[re_path(r"^whoami/$", whoami)])
