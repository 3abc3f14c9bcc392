"""Short polling: the response ends at once, with whatever there is."""

from __future__ import annotations

from transports import feed
from transports.events import Batch
from transports.http.base import BatchEndpoint
from transports.http.request import Request


class PollingEndpoint(BatchEndpoint):
    """`GET /polling/<room>/?since=`: a batch, perhaps empty, at once."""

    technique = "polling"

    async def batch(self, request: Request) -> Batch:
        return await feed.history(request.room, request.since)
