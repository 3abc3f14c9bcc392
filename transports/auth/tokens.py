"""Tokens: what a program shows in place of a session.

A token is the identity and the expiry of a row of `Token`, signed with `SECRET_KEY`
(`django.core.signing`): one that is forged or expired costs no look-up. To revoke it is to
delete its row. Its characters are those of base64url and a dot, which a Bearer header
(RFC 6750 §2.1) and a subprotocol's name (RFC 6455 §11.5) both may hold.
"""

from __future__ import annotations

import time
import uuid
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from django.core import signing
from django.utils import timezone

from transports.auth.models import Token
from transports.http.problems import Problem
from transports.http.scope import Scope

TOKEN_SUBPROTOCOL = "token."  # what follows is the token
LONGEST_TOKEN = 512  # characters; those issued here have about 120
QUERY_NAMES = ("token", "access_token")


def _signer() -> signing.Signer:
    return signing.Signer(salt="realtime.token", sep=".")


class Claim(NamedTuple):
    """What a token says of itself: the row it stands for, and its end in Unix seconds."""

    id: uuid.UUID
    expires: float


def invalid_token(detail: str) -> Problem:
    """401 as RFC 6750 §3.1 has it."""
    return Problem(401, "token", detail, {"WWW-Authenticate": 'Bearer error="invalid_token"'})


def issue(user: Any, lifetime: timedelta, note: str = "") -> tuple[str, Token]:
    """A new token of `user`, good for `lifetime`, and its row. The text is kept nowhere."""
    row = Token.objects.create(user=user, note=note, expires_at=timezone.now() + lifetime)
    return write(row.id, row.expires_at), row


def write(identity: uuid.UUID, expires_at: datetime) -> str:
    return _signer().sign_object([identity.hex, expires_at.timestamp()])


def read(text: str, *, even_expired: bool = False) -> Claim:
    """What `text` claims, if we signed it; raises `Problem`."""
    try:
        if len(text) > LONGEST_TOKEN:
            raise signing.BadSignature
        identity, expires = _signer().unsign_object(text)
    except signing.BadSignature as error:
        raise invalid_token("This is not a token that was issued here.") from error
    if expires <= time.time() and not even_expired:
        raise invalid_token("The token has expired; ask for a new one.")
    return Claim(uuid.UUID(identity), expires)


def user_of(claim: Claim) -> Any:
    """The user whose token it is; raises `Problem`. Looks into the database."""
    row = Token.objects.select_related("user").filter(id=claim.id, user__is_active=True).first()
    if row is None:
        raise revoked()
    return row.user


def revoked() -> Problem:
    return invalid_token("The token has been revoked.")


def bearer(authorization: bytes) -> str | None:
    """The token of an Authorization header; None for another scheme, which is a proxy's affair."""
    scheme, _, token = authorization.decode("latin-1").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else None


def in_subprotocols(scope: Scope) -> str | None:
    """The token among a socket's subprotocols: a browser can set no other header."""
    for name in scope.get("subprotocols", ()):
        if name.startswith(TOKEN_SUBPROTOCOL):
            return str(name).removeprefix(TOKEN_SUBPROTOCOL)
    return None
