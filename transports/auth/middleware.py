"""Who it is: a session's user, a token's, or nobody."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

from asgiref.sync import sync_to_async
from channels.auth import AuthMiddlewareStack
from django.conf import settings
from django.contrib.auth.models import AnonymousUser
from django.db import DatabaseError, close_old_connections

from transports.auth.revalidation import Connection, Credential
from transports.auth.tokens import Claim, bearer, offered, read, user_of
from transports.http.problems import Problem, unavailable
from transports.http.scope import Application, Receive, Scope, Send

logger = logging.getLogger(__name__)

PATIENCE = 5.0  # seconds to wait for the database: a locked one answers later than it is away


class TokenAuthMiddlewareStack:
    """`AuthMiddlewareStack` for browsers, tokens for programs, on HTTP and WebSocket alike.

    Sets `scope["user"]`; for a user also `scope["connection"]`, by which the connection is
    ended when they may no longer have it; for a token that is not good `scope["problem"]`, which
    every technique answers in its own way. What brings neither a session nor a token, as most
    requests, is nobody's: it costs no look-up, and no thread.
    """

    def __init__(self, application: Application) -> None:
        self.application = application
        self.with_session = AuthMiddlewareStack(self._as_session_user)
        self.cookie = settings.SESSION_COOKIE_NAME.encode() + b"="

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        has_session, token = False, None
        for name, value in scope["headers"]:
            if name == b"cookie":
                has_session = has_session or self.cookie in value
            elif name == b"authorization":
                token = bearer(value)
        if token is None and scope.get("subprotocols"):
            token = offered(scope)
        if token is not None:
            await self._as_bearer(token, scope, receive, send)
        elif has_session:
            await self._as_session(scope, receive, send)
        else:
            await self.application({**scope, "user": AnonymousUser()}, receive, send)

    async def _as_bearer(self, token: str, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            claim = read(token)
            async with asyncio.timeout(PATIENCE):
                user = await sync_to_async(_user_of, thread_sensitive=False)(claim)
        except Problem as problem:
            await self._refused(problem, scope, receive, send)
            return
        except (DatabaseError, TimeoutError) as error:
            logger.warning("A token could not be looked up (%r).", error)
            away = unavailable("Tokens cannot be checked now; please try again.")
            await self._refused(away, scope, receive, send)
            return
        scope = {**scope, "user": user}
        connection = Connection(scope, Credential(token=claim))
        await connection.run(self.application, scope, receive, send)

    async def _as_session(self, scope: Scope, receive: Receive, send: Send) -> None:
        deadline = asyncio.timeout(PATIENCE)
        try:
            async with deadline:
                inner = {**scope, "deadline": deadline, "send": send}
                await self.with_session(inner, receive, send)
        except (DatabaseError, TimeoutError) as error:
            if deadline.when() is None:  # it was looked up: this is about something else
                raise
            logger.warning("A session could not be looked up (%r).", error)
            problem = unavailable("Sessions cannot be checked now; please try again.")
            await self._refused(problem, scope, receive, send)

    async def _refused(self, problem: Problem, scope: Scope, receive: Receive, send: Send) -> None:
        scope = {**scope, "user": AnonymousUser(), "problem": problem}
        await self.application(scope, receive, send)

    async def _as_session_user(self, scope: Scope, receive: Receive, send: Send) -> None:
        scope.pop("deadline").reschedule(None)
        # Channels' own `send` takes the cookie of a session that has ended away again: with the
        # response of a log-in, or with one so late that the browser has logged in meanwhile.
        send = scope.pop("send")
        if not scope["user"].is_authenticated:
            await self.application(scope, receive, send)
            return
        connection = Connection(scope, Credential(session=scope["session"].session_key))
        await connection.run(self.application, scope, receive, send)


def _user_of(claim: Claim) -> Any:
    try:
        return user_of(claim)
    finally:
        close_old_connections()
