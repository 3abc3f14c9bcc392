"""Long polling: `GET /longpoll/<room>/?since=&wait=` answers once there is news."""

from realtime_demo.workshop.application import build_application  # isort: skip

from django.urls import re_path

from transports import hub
from transports.events import Batch
from transports.http.base import BatchEndpoint
from transports.http.request import Request


class LongPoll(BatchEndpoint):
    technique = "longpoll"

    async def batch(self, request: Request) -> Batch:
        seconds = request.seconds("wait", default=25, most=55)
        return await hub.wait(request.room, request.since, seconds, request.disconnected)


route = re_path(r"^longpoll/(?P<room>[^/]+)/$", LongPoll.as_asgi())
application = build_application(http=[route])
