"""Long polling: the response ends with the first events there are."""

from __future__ import annotations

from transports import hub
from transports.events import Batch
from transports.http.base import BatchEndpoint
from transports.http.request import Request

HOLD = 25.0  # seconds, where the client does not say: below the 30 s of RFC 6202 §5.5
LONGEST_HOLD = 55.0  # seconds: below the 60 s after which proxies commonly time out


class LongPollingEndpoint(BatchEndpoint):
    """`GET /longpoll/<room>/?since=&wait=`: held until there is something."""

    technique = "longpoll"
    is_held = True

    async def batch(self, request: Request) -> Batch:
        seconds = request.seconds("wait", default=HOLD, most=LONGEST_HOLD)
        return await hub.wait(request.room, request.since, seconds)
