"""Short polling: `GET /poll/<room>/?since=` answers at once."""

from realtime_demo.workshop.application import build_application  # isort: skip

from django.urls import re_path

from transports import feed
from transports.events import Batch
from transports.http.base import BatchEndpoint
from transports.http.request import Request


class Poll(BatchEndpoint):
    technique = "polling"

    async def batch(self, request: Request) -> Batch:
        return await feed.history(request.room, request.since)


application = build_application(http=[re_path(r"^poll/(?P<room>[^/]+)/$", Poll.as_asgi())])
