"""What is refused, and how it is said: RFC 9457 over HTTP, a close code over WebSocket."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

from transports.events import encode


class Problem(Exception):
    """A request that is not served.

    `status` is the HTTP status; over WebSocket the close code is 4000 + status, and `code` is
    the short word of an error message. `detail` tells the client what to do about it.
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
    def close_code(self) -> int:
        return 4000 + self.status

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


# The name that the parts of this change outside `transports` still use.
Refusal = Problem

LONGEST_REASON = 123  # bytes: a control frame carries at most 125 (RFC 6455 §5.5)


def close_reason(detail: str) -> str:
    """As much of `detail` as a close frame carries."""
    return detail.encode()[:LONGEST_REASON].decode(errors="ignore")


def unavailable(detail: str, retry_after: int = 1) -> Problem:
    return Problem(503, "unavailable", detail, {"Retry-After": str(retry_after)})
