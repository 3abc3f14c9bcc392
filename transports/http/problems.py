"""Problem details (RFC 9457), over HTTP and as WebSocket close codes."""

from __future__ import annotations

import logging
from http import HTTPStatus
from typing import Any

from django.db import DatabaseError

from transports.events import encode
from transports.feed import EventTrimmed
from transports.store.base import FeedUnavailable

logger = logging.getLogger(__name__)

INTERNAL_ERROR = 1011  # RFC 6455 §7.4.1
LONGEST_REASON = 123  # bytes: a control frame carries at most 125 (RFC 6455 §5.5)


class Problem(Exception):
    """The reason why a request is rejected.

    `status` is the HTTP status, `code` a short word for programs. `detail` is what was expected,
    and what came.
    """

    def __init__(
        self, status: int, code: str, detail: str, headers: dict[str, str] | None = None
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.code = code
        self.detail = detail
        self.headers = headers or {}

    @property
    def body(self) -> bytes:
        """The body of `application/problem+json`."""
        return encode(
            {
                "type": "about:blank",
                "title": HTTPStatus(self.status).phrase,
                "status": self.status,
                "code": self.code,
                "detail": self.detail,
            }
        )

    @property
    def message(self) -> dict[str, Any]:
        """The error message of a socket that stays open."""
        return {"type": "error", "code": self.code, "detail": self.detail}

    @property
    def close_code(self) -> int:
        """The close code of a socket: 4000 + status, or 1011 for a server error."""
        return INTERNAL_ERROR if self.status == 500 else 4000 + self.status

    @property
    def close_reason(self) -> str:
        """`detail`, cut to the length of a close frame."""
        return self.detail.encode()[:LONGEST_REASON].decode(errors="ignore")


def unavailable(detail: str) -> Problem:
    return Problem(503, "unavailable", detail, {"Retry-After": "1"})


def problem_of(error: Exception, where: str) -> Problem:
    """Return the problem to send for `error`, and log errors that the client did not cause.

    The only mapping from errors to HTTP statuses and close codes. `where` is the request's path.
    """
    if isinstance(error, Problem):
        return error
    if isinstance(error, EventTrimmed):
        detail = "The event published under this Idempotency-Key has been trimmed; use a new key."
        return Problem(409, "key", detail)
    if isinstance(error, FeedUnavailable | DatabaseError | TimeoutError):
        logger.warning("%s: %r", where, error)
        part = "feed" if isinstance(error, FeedUnavailable) else "database"
        return unavailable(f"The {part} is unavailable; try again.")
    logger.error("%s", where, exc_info=error)
    return Problem(500, "internal", "The server failed to handle this request.")
