"""What the Python clients share: resuming from the last cursor, with jittered back-off.

A client differs from another only in how it receives: `Receive` opens one connection (or
asks again and again, on polling) and yields what arrives, with the cursor to go on from.
It may end or raise at any byte; the loop below goes on behind the last whole event.
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

from transports.events import Batch, Event, InvalidEvent

logger = logging.getLogger(__name__)

CONNECT_TIMEOUT = 5.0  # seconds
SILENCE = 45.0  # seconds without a sign of life after which a stream is dead: 3 heartbeats

Arrival = tuple[tuple[Event, ...], str]  # events, and the cursor behind them
Receive = Callable[[str | None], AsyncGenerator[Arrival, None]]


class Refused(Exception):
    """The server will not serve this request, however often it is made."""

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

    With a Retry-After of one second, the longest is short enough for who comes back to have
    what it missed within five. The formula is "Full Jitter" of Marc Brooker, "Exponential Backoff
    And Jitter" (2015).
    """

    first: float = 0.5
    most: float = 3.0
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
    """Every event behind `since`, in order, once, through any number of connections.

    Raises `Refused` where trying again is of no use.
    """
    back_off = back_off or BackOff()
    cursor = since
    while True:
        at_least = 0.0
        try:
            async with aclosing(receive(cursor)) as arrivals:
                async for events, behind in arrivals:
                    back_off.reset()
                    for event in events:
                        cursor = event.id
                        yield event
                    cursor = behind
        except TryLater as error:
            at_least = error.seconds
        except (httpx.TransportError, WebSocketException, OSError, InvalidEvent) as error:
            logger.debug("Interrupted at %s: %r", cursor, error)
        await asyncio.sleep(at_least + back_off.pause())


def http_client(base_url: str, headers: Mapping[str, str] | None = None) -> httpx.AsyncClient:
    """A client of its own for one subscriber: a connection is not shared, as in a browser tab."""
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
    """What asks one server again and again. `OSError` and `httpx.TransportError` are cuts."""

    async def get(self, target: str) -> Response: ...


# How polling and long polling reach a server, given its base URL and header fields to send.
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
    """httpx, on a connection of its own."""
    async with http_client(base_url, headers) as client:
        yield _Httpx(client)


async def get_batch(http: HttpClient, path: str, parameters: Mapping[str, Any]) -> Batch:
    """The batch that one request brings. Raises `Refused`, `TryLater`, `InvalidEvent`."""
    response = await http.get(f"{path}?{urlencode(parameters)}" if parameters else path)
    if response.status != 200:
        check_status(response.status, response.headers.get("retry-after"), response.body)
    try:
        return Batch.from_document(json.loads(response.body))
    except ValueError as error:  # no JSON, or a cursor that is none
        raise InvalidEvent(f"Not a batch: {response.body[:200]!r}") from error


def tls_for(base_url: str) -> ssl.SSLContext | None:
    """What `base_url` needs of TLS; None where it is not https.

    Reading the certificates takes longer than a request (50 ms), so it is done once, if at all.
    """
    return _tls() if base_url.startswith("https:") else None


@cache
def _tls() -> ssl.SSLContext:
    return ssl.create_default_context()


def query(since: str | None, **parameters: Any) -> dict[str, Any]:
    return parameters if since is None else {"since": since, **parameters}


async def check(response: httpx.Response) -> None:
    """Raise `Refused` or `TryLater` unless the response is a 200."""
    if response.status_code == 200:
        return
    await response.aread()
    check_status(response.status_code, response.headers.get("retry-after"), response.content)


def check_status(status: int, retry_after: str | None, body: bytes) -> None:
    """Raise `Refused` for a status that will not change, else `TryLater`."""
    if status in (408, 425, 429) or status >= 500:
        raise TryLater(float(retry_after) if retry_after and retry_after.isdecimal() else 0.0)
    raise Refused(status, body.decode("utf-8", "replace")[:500])
