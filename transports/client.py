"""Base of the Python clients: resuming from the last cursor, with jittered back-off.

The clients differ only in how they receive: `Receive` opens one connection (or, for polling, sends
requests repeatedly) and yields the events that arrive, with the cursor to resume from. The
connection may break at any byte; `resume` continues after the last whole event.
"""

from __future__ import annotations

import asyncio
import json
import logging
import random
import ssl
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, aclosing, asynccontextmanager
from dataclasses import dataclass
from functools import cache
from typing import Any, NamedTuple, Protocol
from urllib.parse import urlencode

import httpx
from websockets.exceptions import WebSocketException

from transports.events import Batch, Cursor, Event, InvalidEvent

logger = logging.getLogger(__name__)

CONNECT_TIMEOUT = 5.0  # seconds
SILENCE = 45.0  # seconds without data after which a stream counts as lost: 3 heartbeats

Arrival = tuple[tuple[Event, ...], str]  # events, and the cursor after them
Receive = Callable[[str | None], AsyncGenerator[Arrival, None]]


class Rejected(Exception):
    """The server rejects this request, and would reject it again."""

    def __init__(self, status: int, detail: str) -> None:
        super().__init__(f"{status}: {detail}")
        self.status = status
        self.detail = detail


class TryLater(Exception):
    """The server cannot serve this request now; `seconds` is its Retry-After."""

    def __init__(self, seconds: float) -> None:
        super().__init__(f"try again in {seconds:g} s")
        self.seconds = seconds


@dataclass
class BackOff:
    """Pauses between attempts, in seconds: full jitter, doubling from `first` to `most`.

    The defaults let a client catch up within five seconds, even with a Retry-After of one second.
    The formula is "Full Jitter" of Marc Brooker, "Exponential Backoff And Jitter" (2015).
    """

    first: float = 0.5
    most: float = 2.0
    attempts: int = 0

    def pause(self) -> float:
        ceiling = min(self.most, self.first * 2.0**self.attempts)
        self.attempts = min(self.attempts + 1, 32)
        return random.uniform(0, ceiling)

    def reset(self) -> None:
        self.attempts = 0


async def resume(
    receive: Receive, since: str | None, back_off: BackOff | None = None
) -> AsyncGenerator[Event, None]:
    """Yield every event after `since` once, in order, over any number of connections.

    Raises `Rejected` if a retry would be rejected too.
    """
    back_off = back_off or BackOff()
    cursor = since
    while True:
        retry_after_seconds = 0.0
        try:
            async with aclosing(receive(cursor)) as arrivals:
                async for events, next_cursor in arrivals:
                    back_off.reset()
                    for event in events:
                        cursor = event.id
                        yield event
                    cursor = next_cursor
        except TryLater as error:
            retry_after_seconds = error.seconds
        except (httpx.TransportError, WebSocketException, OSError, InvalidEvent) as error:
            logger.debug("Interrupted at %s: %r", cursor, error)
        await asyncio.sleep(retry_after_seconds + back_off.pause())


def http_client(base_url: str, headers: Mapping[str, str] | None = None) -> httpx.AsyncClient:
    """Return an HTTP client for one subscriber, so that no connection is shared."""
    return httpx.AsyncClient(
        base_url=base_url,
        headers=headers,
        verify=tls_for(base_url) or False,
        timeout=httpx.Timeout(SILENCE, connect=CONNECT_TIMEOUT),
    )


class Response(NamedTuple):
    """A whole HTTP response; the names of its header fields are in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class HttpClient(Protocol):
    """A client of one server. `OSError` and `httpx.TransportError` mean a lost connection."""

    async def get(self, target: str) -> Response: ...


# Opens the HTTP client of polling and long polling, given a base URL and header fields to send.
OpenHttp = Callable[[str, Mapping[str, str] | None], AbstractAsyncContextManager[HttpClient]]


@dataclass(frozen=True)
class _Httpx:
    client: httpx.AsyncClient

    async def get(self, target: str) -> Response:
        response = await self.client.get(target)
        return Response(response.status_code, response.headers, response.content)


@asynccontextmanager
async def open_http(
    base_url: str, headers: Mapping[str, str] | None = None
) -> AsyncIterator[HttpClient]:
    """Open an httpx client with its own connection."""
    async with http_client(base_url, headers) as client:
        yield _Httpx(client)


def batch_of(document: Mapping[str, Any]) -> Batch:
    """Return the batch of parsed JSON; raises `InvalidEvent` or `InvalidCursor`."""
    try:
        return Batch(
            room=document["room"],
            cursor=Cursor.parse(document["cursor"]),
            events=tuple(Event.from_document(event) for event in document["events"]),
        )
    except (KeyError, TypeError) as error:
        raise InvalidEvent(f"Expected a batch; got {str(document)[:200]}") from error


async def get_batch(http: HttpClient, path: str, parameters: Mapping[str, Any]) -> Batch:
    """Return the batch of one request. Raises `Rejected`, `TryLater`, `InvalidEvent`."""
    response = await http.get(f"{path}?{urlencode(parameters)}" if parameters else path)
    if response.status != 200:
        check_status(response.status, response.headers.get("retry-after"), response.body)
    try:
        return batch_of(json.loads(response.body))
    except ValueError as error:  # invalid JSON or cursor
        raise InvalidEvent(f"Not a batch: {response.body[:200]!r}") from error


def tls_for(base_url: str) -> ssl.SSLContext | None:
    """Return the TLS context for `base_url`; None unless it is https.

    Loading the certificates takes 50 ms, longer than a request: load them once, on first use.
    """
    return default_tls() if base_url.startswith("https:") else None


@cache
def default_tls() -> ssl.SSLContext:
    """Return the context that trusts the system's authorities, or those of SSL_CERT_FILE."""
    return ssl.create_default_context()


def query(since: str | None, **parameters: Any) -> dict[str, Any]:
    return parameters if since is None else {"since": since, **parameters}


async def check(response: httpx.Response) -> None:
    """Raise `Rejected` or `TryLater` unless the response is a 200."""
    if response.status_code == 200:
        return
    await response.aread()
    check_status(response.status_code, response.headers.get("retry-after"), response.content)


def check_status(status: int, retry_after: str | None, body: bytes) -> None:
    """Raise `TryLater` for a temporary status, else `Rejected`."""
    if status in (408, 425, 429) or status >= 500:
        raise TryLater(float(retry_after) if retry_after and retry_after.isdecimal() else 0.0)
    raise Rejected(status, body.decode("utf-8", "replace")[:500])
