"""Bearer tokens, with which programs authenticate.

A token is the id and the expiry of a row of `Token`, signed with `SECRET_KEY`
(`django.core.signing`), so that a forged or expired token costs no query. Deleting the row revokes
the token. Tokens consist of base64url characters and dots, which a Bearer header (RFC 6750 §2.1)
and a subprotocol's name (RFC 6455 §11.5) both allow.
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

TOKEN_SUBPROTOCOL = "token."  # followed by the token
LONGEST_TOKEN = 512  # characters; those issued here have about 120
QUERY_NAMES = ("token", "access_token")


def _signer() -> signing.Signer:
    return signing.Signer(salt="realtime.token", sep=".")


class Claim(NamedTuple):
    """The content of a token: the id of its row, and its expiry in Unix seconds."""

    id: uuid.UUID
    expires: float


def invalid_token(detail: str) -> Problem:
    """Return a 401 with the challenge of RFC 6750 §3.1."""
    return Problem(401, "token", detail, {"WWW-Authenticate": 'Bearer error="invalid_token"'})


def issue(user: Any, lifetime: timedelta, note: str = "") -> tuple[str, Token]:
    """Create a token of `user`, valid for `lifetime`; return its text, which is not stored, and
    its row."""
    row = Token.objects.create(user=user, note=note, expires_at=timezone.now() + lifetime)
    return write(row.id, row.expires_at), row


def write(identity: uuid.UUID, expires_at: datetime) -> str:
    return _signer().sign_object([identity.hex, expires_at.timestamp()])


def read(text: str, *, even_expired: bool = False) -> Claim:
    """Return the claim of the token `text`; raises `Problem` if it is forged or expired."""
    try:
        if len(text) > LONGEST_TOKEN:
            raise signing.BadSignature
        identity, expires = _signer().unsign_object(text)
    except signing.BadSignature as error:
        raise invalid_token("The token must be one that this server issued.") from error
    if expires <= time.time() and not even_expired:
        raise invalid_token("The token has expired; ask for a new one.")
    return Claim(uuid.UUID(identity), expires)


def user_of(claim: Claim) -> Any:
    """Return the user of a token, from the database; raises `Problem` if it was revoked."""
    row = Token.objects.select_related("user").filter(id=claim.id, user__is_active=True).first()
    if row is None:
        raise revoked()
    return row.user


def revoked() -> Problem:
    return invalid_token("The token has been revoked.")


def bearer(authorization: bytes) -> str | None:
    """Return the token of an Authorization header; None for another scheme, such as Basic."""
    scheme, _, token = authorization.decode("latin-1").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else None


def in_subprotocols(scope: Scope) -> str | None:
    """Return the token among a socket's subprotocols, the only header that browsers can set."""
    for name in scope.get("subprotocols", ()):
        if name.startswith(TOKEN_SUBPROTOCOL):
            return str(name).removeprefix(TOKEN_SUBPROTOCOL)
    return None
