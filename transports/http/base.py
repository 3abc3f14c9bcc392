"""The ASGI base of the HTTP techniques.

Plain ASGI applications, ahead of Django: an open response costs no thread, and no technique
pays for a middleware that another skips. A technique says only when its response ends
(`BatchEndpoint`: at its first batch; `StreamEndpoint`: never) and how an event is framed.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable
from contextlib import aclosing
from types import TracebackType
from typing import Any, ClassVar, Self

from django.conf import settings
from django.db import DatabaseError

from transports import feed
from transports.events import Batch, batch_json
from transports.http.problems import Problem, unavailable
from transports.http.request import Request
from transports.http.scope import Receive, Scope, Send, check_host
from transports.hub import TooManyRooms
from transports.operations.metrics import metrics
from transports.presence.service import present
from transports.store.base import HistoryUnavailable

logger = logging.getLogger(__name__)

Headers = Iterable[tuple[bytes, bytes]]


class Endpoint:
    """One HTTP resource. Subclasses answer in `respond`, or raise `Problem`."""

    methods: ClassVar[tuple[str, ...]] = ("GET", "HEAD")
    request_class: ClassVar[type[Any]] = Request
    is_followed: ClassVar[bool] = False  # whether who asks is in the room

    @classmethod
    def as_asgi(cls) -> Any:
        """As Channels' consumers have it: what a routing mounts."""
        return cls()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            check_host(scope)
            if scope["method"] not in self.methods:
                allowed = ", ".join(self.methods)
                raise Problem(
                    405, "method", f"Only {allowed} may be used here.", {"Allow": allowed}
                )
            request = self.request_class(scope)
            if self.is_followed and "name" in request.query:
                async with present(request, request.room):
                    await self.respond(request, receive, send)
            else:
                await self.respond(request, receive, send)
        except Problem as problem:
            await reject(send, problem)
        except (HistoryUnavailable, TooManyRooms) as error:
            logger.warning("%s: %s", scope["path"], error)
            await reject(send, unavailable("The feed cannot be reached now; please try again."))
        except DatabaseError as error:
            logger.warning("%s: %r", scope["path"], error)
            await reject(send, unavailable("The database cannot be reached now; please try again."))
        except Exception:
            logger.exception("%s", scope["path"])
            await reject(send, Problem(500, "internal", "Something went wrong on the server."))

    async def respond(self, request: Any, receive: Receive, send: Send) -> None:
        raise NotImplementedError


class BatchEndpoint(Endpoint):
    """A response that ends with its first batch, and so has a Content-Length."""

    technique: ClassVar[str]
    is_followed = True

    async def batch(self, request: Request) -> Batch:
        raise NotImplementedError

    async def respond(self, request: Request, receive: Receive, send: Send) -> None:
        meter = metrics.meters[self.technique]
        with meter.connection():
            async with CancelledOnDisconnect(receive):
                batch = await self.batch(request)
                await answer(send, 200, b"application/json", batch.encoded_by(batch_json))
                meter.delivered(batch, live=request.since is not None)


class StreamEndpoint(Endpoint):
    """A response without an end, and so without a Content-Length.

    The header `Cursor` is the place where it begins: who is cut before the first whole event,
    however long that took to come, resumes from there.

    It is chunked on HTTP/1.1 and closed at its end on HTTP/1.0 (RFC 9112 §6.3); either is the
    server's affair.
    """

    technique: ClassVar[str]
    is_followed = True
    content_type: ClassVar[bytes]
    heartbeat: ClassVar[bytes]

    def preamble(self, first: Batch) -> bytes:
        """What stands before the first batch."""
        return b""

    @staticmethod
    def frame(batch: Batch) -> bytes:
        """The batch's events as bytes of the stream."""
        raise NotImplementedError

    async def respond(self, request: Request, receive: Receive, send: Send) -> None:
        with metrics.meters[self.technique].connection():
            await self._stream(request, receive, send)

    async def _stream(self, request: Request, receive: Receive, send: Send) -> None:
        meter = metrics.meters[self.technique]
        batches = feed.subscribe(request.room, request.since, settings.HEARTBEAT)
        async with CancelledOnDisconnect(receive), aclosing(batches):
            # The first batch comes at once; what keeps it from coming is still a status.
            first = await anext(batches)
            headers = [*self.headers, (b"cursor", str(first.start).encode())]
            await send({"type": "http.response.start", "status": 200, "headers": headers})
            if request.scope["method"] != "HEAD":
                await send(_body(self.preamble(first) + self._data(first), more=True))
                meter.delivered(first, live=False)
                try:
                    async for batch in batches:
                        await send(_body(self._data(batch), more=True))
                        meter.delivered(batch)
                except Exception:  # too late for a status: the client resumes from its cursor
                    logger.exception("%s", request.scope["path"])
            await send(_body(b"", more=False))

    @property
    def headers(self) -> list[tuple[bytes, bytes]]:
        return [
            (b"content-type", self.content_type),
            (b"cache-control", b"no-store, no-transform"),
            # A compressor would hold events back, or make each chunk a gzip member of its own,
            # of which browsers read only the first.
            (b"content-encoding", b"identity"),
            (b"x-accel-buffering", b"no"),  # nginx: do not buffer
        ]

    def _data(self, batch: Batch) -> bytes:
        return batch.encoded_by(self.frame) if batch.events else self.heartbeat


class CancelledOnDisconnect:
    """Cancels the block when the client goes; like `asyncio.timeout`, with another cause.

    An application that waits for an event does not wait for `receive`, and so would never
    hear that its client has gone.
    """

    def __init__(self, receive: Receive) -> None:
        self._receive = receive
        self._gone = False

    async def __aenter__(self) -> Self:
        self._task = asyncio.current_task()
        self._watcher = asyncio.create_task(self._watch())
        return self

    async def _watch(self) -> None:
        while (await self._receive())["type"] != "http.disconnect":
            pass  # a body that nobody asked for
        self._gone = True
        if self._task is not None:
            self._task.cancel()

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> bool:
        self._watcher.cancel()
        del self._watcher  # whose frame holds this object: no cycle for the collector
        if self._gone and self._task is not None:
            return self._task.uncancel() == 0 and kind is asyncio.CancelledError
        return False


async def read_body(receive: Receive, most: int) -> bytes:
    """The request's body, of at most `most` bytes; raises `Problem` past that."""
    body = bytearray()
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise Problem(400, "body", "The body broke off.")
        body += message.get("body", b"")
        if len(body) > most:
            raise Problem(413, "size", f"A body may have at most {most} bytes.")
        if not message.get("more_body", False):
            return bytes(body)


async def answer(
    send: Send, status: int, content_type: bytes, body: bytes, headers: Headers = ()
) -> None:
    """A whole response: always with its Content-Length."""
    await send(
        {
            "type": "http.response.start",
            "status": status,
            "headers": [
                (b"content-type", content_type),
                (b"content-length", b"%d" % len(body)),
                (b"cache-control", b"no-store"),
                *headers,
            ],
        }
    )
    await send(_body(body, more=False))


async def reject(send: Send, problem: Problem) -> None:
    """A problem as problem+json (RFC 9457)."""
    headers = [(name.encode(), value.encode()) for name, value in problem.headers.items()]
    await answer(send, problem.status, b"application/problem+json", problem.body, headers)


def _body(data: bytes, more: bool) -> dict[str, object]:
    return {"type": "http.response.body", "body": data, "more_body": more}
