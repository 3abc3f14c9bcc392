"""Authentication by session or bearer token."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from channels.db import database_sync_to_async
from django.conf import settings
from django.contrib.auth.models import AnonymousUser
from django.db import DatabaseError
from django.http import parse_cookie

from transports.auth.permissions import check_room
from transports.auth.revalidation import Credential, UserConnection
from transports.auth.sessions import session_user
from transports.auth.tokens import QUERY_NAMES, bearer, in_subprotocols, read, user_of
from transports.http.problems import Problem, problem_of
from transports.http.request import Action, parse_query
from transports.http.scope import Application, Receive, Scope, Send

DATABASE_TIMEOUT = 5.0  # seconds; bounds the wait for a locked database


class AnonymousGuard:
    """The guard of all anonymous connections, which are not re-checked."""

    user = AnonymousUser()

    def check(self, room: str, action: Action = "read") -> None:
        check_room(room, self.user, action)

    enter = check

    def leave(self, room: str) -> None:
        """Do nothing."""


ANONYMOUS = AnonymousGuard()


class TokenAuthMiddlewareStack:
    """ASGI middleware: sessions for browsers, tokens for programs, on HTTP and WebSocket alike.

    Sets `scope["user"]` and `scope["guard"]`, which ends a user's connection when their rights
    end. If authentication fails, sets `scope["problem"]`, which each technique sends in its own
    way. A request with neither a session nor a token is anonymous and costs no query or thread.
    """

    def __init__(self, application: Application) -> None:
        self.application = application
        self.cookie = settings.SESSION_COOKIE_NAME.encode() + b"="

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        cookies, token = b"", None
        for name, value in scope["headers"]:
            if name == b"cookie" and self.cookie in value:
                cookies = value
            elif name == b"authorization":
                token = bearer(value)
        try:
            check_query(scope)
            token = token or in_subprotocols(scope)
            if token is not None:
                claim = read(token)
                credential = Credential(token=claim)
                user = await look_up(lambda: user_of(claim))
            elif cookies:
                key = parse_cookie(cookies.decode("latin-1")).get(settings.SESSION_COOKIE_NAME)
                credential = Credential(session=key)
                user = await look_up(lambda: session_user(key))
            else:
                user = ANONYMOUS.user
        except (Problem, DatabaseError, TimeoutError) as error:
            user, scope["problem"] = ANONYMOUS.user, problem_of(error, scope["path"])
        scope["user"], scope["guard"] = user, ANONYMOUS
        if user.is_authenticated:
            await UserConnection(scope, credential).run(self.application, scope, receive, send)
        else:
            await self.application(scope, receive, send)


def check_query(scope: Scope) -> None:
    """Raise `Problem` for a token in the URL, which logs and browser histories store."""
    query = scope.get("query_string", b"")
    if b"token" in query and any(name in parse_query(query) for name in QUERY_NAMES):
        raise Problem(
            400,
            "token",
            "Expected a token in the header 'Authorization: Bearer …' or in a socket's subprotocol "
            "'token.…'; got one in the URL, which is logged. Revoke this token.",
        )


async def look_up(query: Callable[[], Any]) -> Any:
    """Return the result of `query`, run in a thread. Raises its errors, and `TimeoutError`."""
    async with asyncio.timeout(DATABASE_TIMEOUT):
        return await database_sync_to_async(query, thread_sensitive=False)()
