"""Long polling endpoint: the response ends with the first events."""

from __future__ import annotations

from transports import hub
from transports.events import Batch
from transports.http.base import BatchEndpoint
from transports.http.request import Request

POLL_TIMEOUT = 25.0  # seconds by default: below the 30 s of RFC 6202 §5.5
LONGEST_POLL_TIMEOUT = 55.0  # seconds: below the 60 s after which proxies commonly time out


class LongPollingEndpoint(BatchEndpoint):
    """`GET /longpoll/<room>/?since=&wait=`: a batch once there are events, or after `wait`."""

    technique = "longpoll"

    async def batch(self, request: Request) -> Batch:
        seconds = request.seconds("wait", default=POLL_TIMEOUT, most=LONGEST_POLL_TIMEOUT)
        return await hub.wait(request.room, request.since, seconds, request.disconnected)
