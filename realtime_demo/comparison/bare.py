"""Bare clients, to measure the comparison by: a library, a loop and a clock, with no tap.

What they receive is stamped and put away, and read only when it is over.
"""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Awaitable, Callable

import httpx
from websockets.asyncio.client import connect

from . import workers as child

_INDEX = re.compile(rb'"text": ?"(-?\d+)[ "]')

Stamped = list[tuple[float, bytes]]


async def _stream(url: str, seen: Stamped) -> None:
    async with (
        httpx.AsyncClient(timeout=None, verify=False) as http,
        http.stream("GET", url) as response,
    ):
        async for data in response.aiter_raw():
            seen.append((time.monotonic(), data))


async def _socket(url: str, seen: Stamped) -> None:
    async with connect("ws" + url.removeprefix("http"), compression=None) as socket:
        async for message in socket:
            seen.append((time.monotonic(), str(message).encode()))


async def _held(url: str, seen: Stamped) -> None:
    async with httpx.AsyncClient(timeout=None, verify=False) as http:
        parameters = {"wait": "0"}
        while True:
            response = await http.get(url, params=parameters)
            seen.append((time.monotonic(), response.content))
            parameters = {"since": response.json()["cursor"], "wait": "25"}


CLIENTS: dict[str, Callable[[str, Stamped], Awaitable[None]]] = {
    "longpoll": _held,
    "streaming": _stream,
    "sse": _stream,
    "websocket": _socket,
}


class Bare:
    """The child's commands."""

    def __init__(self) -> None:
        self._seen: Stamped = []
        self._client: asyncio.Future[None] | None = None

    async def open(self, technique: str, url: str) -> None:
        self._seen = []
        self._client = asyncio.ensure_future(CLIENTS[technique](url, self._seen))

    async def received(self) -> int:
        """How many times anything came. Raises what the client died of."""
        if self._client is not None and self._client.done():
            self._client.result()
        return len(self._seen)

    async def close(self) -> list[tuple[int, float]]:
        """The number of each event, and when it came (monotonic clock, seconds)."""
        if self._client is not None:
            self._client.cancel()
            await asyncio.gather(self._client, return_exceptions=True)
        return [(int(n), time) for time, data in self._seen for n in _INDEX.findall(data)]


def commands() -> dict[str, child.Command]:
    """What a worker process with this module can be asked."""
    bare = Bare()
    return {
        "open": bare.open,
        "received": bare.received,
        "close": bare.close,
    }
