"""The server under test: its endpoints, and the exchanges that the cases share."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable, Coroutine
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from typing import Any, TypeVar

from .case import Skipped
from .raw import LONGEST, Connection, Origin, Response, TimedOut, connect

T = TypeVar("T")
STREAMS = {"text/event-stream": "sse", "application/x-ndjson": "ndjson"}


class Unanswered(Skipped):
    """A plain GET, such as a long poll, is not answered within the time limit."""


@dataclass
class Stream:
    """The beginning of a response that does not end, as received within the time limit."""

    response: Response
    seconds_to_head: float
    seconds: float
    ended: bool = False
    longest_silence: float = 0.0

    @property
    def data(self) -> bytes:
        return self.response.body


@dataclass
class Probe:
    """A server: `targets` has the request target of each kind of endpoint.

    `timeout` is in seconds; `publish` permits cases that publish.
    """

    origin: Origin
    targets: dict[str, str]
    timeout: float = 5.0
    publish: bool = False
    room: str = ""
    _shared: dict[str, asyncio.Task[Any]] = field(default_factory=dict)

    @classmethod
    def of(
        cls, origin: Origin, target: str, profile: str, *, timeout: float = 5.0, publish: bool
    ) -> Probe:
        """Return the probe of an endpoint, or with the profile "ours" of a whole deployment."""
        if profile != "ours":
            targets = {"http": target, profile: target}
            return cls(origin, targets, timeout, publish)
        base = target.partition("?")[0].rstrip("/")
        room = f"conform-{secrets.token_hex(6)}"
        targets = {
            "http": f"{base}/polling/{room}/",
            "sse": f"{base}/streaming/{room}/sse/",
            "ndjson": f"{base}/streaming/{room}/",
            # A room without events, so that the server holds the poll.
            "longpoll": f"{base}/longpoll/{room}-idle/?wait=0.5",
            "websocket": f"{base}/websocket/{room}/",
            "ours": base,
        }
        return cls(origin, targets, timeout, publish, room)

    def connect(self) -> AbstractAsyncContextManager[Connection]:
        """Open a connection of the case's own while the block lasts."""
        return connect(self.origin, self.timeout)

    def request(
        self,
        *fields: str,
        method: str = "GET",
        target: str = "",
        kind: str = "http",
        version: str = "HTTP/1.1",
        host: str | None = None,
        body: bytes = b"",
    ) -> bytes:
        """Return a request; `host` replaces the Host, and an empty string omits it."""
        authority = self.origin.authority if host is None else host
        lines = [f"{method} {target or self.targets[kind]} {version}"]
        lines += [f"Host: {authority}"] if authority else []
        lines += ["User-Agent: conformance", *fields, "", ""]
        return "\r\n".join(lines).encode("latin-1") + body

    async def exchange(self, request: bytes, *, method: str = "GET", body: bool = True) -> Response:
        """Send `request` on a connection of its own; return the response."""
        async with self.connect() as connection:
            await connection.send(request)
            return await connection.response(method, body=body)

    async def ordinary(self, kind: str = "http") -> Response:
        """Return the response to a plain GET, sent once for all cases.

        Raises `Unanswered` if the server holds the request beyond the time limit.
        """

        async def get() -> Response:
            return await self.exchange(self.request(kind=kind))

        try:
            return await self._once(f"GET {kind}", get)
        except TimedOut as error:
            raise Unanswered(
                "a plain GET is not answered within {seconds:g} s", seconds=self.timeout
            ) from error

    async def finite(self, kind: str = "http") -> Response:
        """Return as `ordinary`; raises `Skipped` if the response does not end."""
        response = await self.ordinary(kind)
        if not response.whole:
            raise Skipped("the response does not end")
        return response

    async def stream(self, kind: str) -> Stream:
        """Return the beginning of a stream, received once for all cases.

        Raises `Failed` if the response is not 200.
        """

        async def observe() -> Stream:
            loop = asyncio.get_running_loop()
            async with self.connect() as connection:
                began = loop.time()
                await connection.send(self.request(kind=kind))
                stream = Stream(await connection.head(), loop.time() - began, 0)
                last = began
                try:
                    async with asyncio.timeout(self.timeout):
                        async for data in connection.pieces(stream.response):
                            stream.longest_silence = max(stream.longest_silence, loop.time() - last)
                            last = loop.time()
                            stream.response.body += data
                            if len(stream.data) > LONGEST:
                                break
                        else:
                            stream.ended = True
                except (TimeoutError, TimedOut):
                    stream.response.whole = False
                stream.longest_silence = max(stream.longest_silence, loop.time() - last)
                stream.seconds = loop.time() - began
                return stream

        stream = await self._once(f"stream {kind}", observe)
        stream.response.expect(200)
        return stream

    async def _once(self, name: str, make: Callable[[], Coroutine[Any, Any, T]]) -> T:
        """Return the result of `make()`, which is called by the first case that needs it."""
        if name not in self._shared:
            self._shared[name] = asyncio.create_task(make())
        # A case that times out must not cancel a result that the others share.
        result: T = await asyncio.shield(self._shared[name])
        return result
