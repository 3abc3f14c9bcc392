"""ASGI base class of a response that stays open."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import ClassVar

from transports import hub
from transports.conf import conf
from transports.events import Batch, Cursor
from transports.http.base import PROTECTED, Endpoint
from transports.http.disconnect import CancelledOnDisconnect
from transports.http.request import Request
from transports.http.scope import Receive, Send
from transports.telemetry import Meter, telemetry

logger = logging.getLogger(__name__)

_HEADERS = (
    # A compressor would hold events back, or make each chunk a separate gzip member, of which
    # browsers read only the first.
    (b"cache-control", b"no-store, no-transform"),
    (b"incremental", b"?1"),  # RFC 10036: intermediaries forward each part as it arrives
    (b"x-accel-buffering", b"no"),  # the same for nginx
    *PROTECTED,
)


class StreamEndpoint(Endpoint):
    """A response that stays open, and therefore has no Content-Length.

    With `STREAM_LIFETIME` it ends after that time, between two events.

    The header `Cursor` is the position before the first event: a client that loses the connection
    before the first whole event resumes from there.

    The server sends it chunked on HTTP/1.1, and closes the connection at its end on HTTP/1.0
    (RFC 9112 §6.3).
    """

    technique: ClassVar[str]
    content_type: ClassVar[bytes]
    heartbeat: ClassVar[bytes]

    def preamble(self, first: Batch) -> bytes:
        """Return the bytes before the first batch."""
        return b""

    @staticmethod
    def since(request: Request) -> Cursor | None:
        """Return the cursor to resume from."""
        return request.since

    @staticmethod
    def frame(batch: Batch) -> bytes:
        """Return the batch's events as bytes of the stream."""
        raise NotImplementedError

    async def respond(self, request: Request, receive: Receive, send: Send) -> None:
        batches = hub.subscribe(
            request.room, self.since(request), conf.HEARTBEAT, conf.STREAM_LIFETIME
        )
        meter = telemetry().meter(self.technique)
        meter.opened()
        try:
            async with (
                request.present(request.room),
                CancelledOnDisconnect(receive),
                aclosing(batches),
            ):
                # The first batch comes at once: an error before it still gets its status.
                first = await anext(batches)
                headers = [
                    (b"content-type", self.content_type),
                    *_HEADERS,
                    (b"cursor", str(first.start).encode()),
                ]
                await send({"type": "http.response.start", "status": 200, "headers": headers})
                if request.scope["method"] != "HEAD":
                    await send(self._chunk(first, self.preamble(first)))
                    meter.delivered(first, live=False)
                    try:
                        await asyncio.create_task(self._feed(batches, send, meter))
                    except OSError:  # the client has disconnected (ASGI: `send` raises it)
                        return
                    except Exception:  # too late for a status: the client resumes from its cursor
                        logger.exception("%s", request.scope["path"])
                await send({"type": "http.response.body", "body": b""})
        finally:
            meter.closed()

    async def _feed(self, batches: AsyncIterator[Batch], send: Send, meter: Meter) -> None:
        """Send the batches.

        Runs in a task of its own: a wake-up resumes each coroutine on the stack of its task.
        """
        async for batch in batches:
            await send(self._chunk(batch))
            meter.delivered(batch)

    def _chunk(self, batch: Batch, before: bytes = b"") -> dict[str, object]:
        data = batch.encoded_by(self.frame) if batch.events else self.heartbeat
        return {"type": "http.response.body", "body": before + data, "more_body": True}
