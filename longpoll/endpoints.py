"""Long polling: the response ends with its first batch. A stream, cut at once."""

from __future__ import annotations

from transports import feed
from transports.events import Batch
from transports.http.base import BatchEndpoint
from transports.http.request import Request

HOLD = 25.0  # seconds, where the client does not say: below the 30 s of RFC 6202 §5.5
LONGEST_HOLD = 55.0  # seconds: below the 60 s after which proxies commonly give up


class LongPollingEndpoint(BatchEndpoint):
    """`GET /longpoll/<room>/?since=&wait=`: held until there is something."""

    technique = "longpoll"

    async def batch(self, request: Request) -> Batch:
        seconds = request.seconds("wait", default=HOLD, most=LONGEST_HOLD)
        return await feed.wait(request.room, request.since, seconds)
