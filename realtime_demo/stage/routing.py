"""Where the stage is mounted: in the demo's server alone, but for the theory."""

from typing import Any

from django.conf import settings
from django.urls import path

from .controls import Burst, Cut, Restart, SetFaults, SetFeed, SetNetwork, Stall, State
from .live import Live
from .theory import Theory
from .wire import Wire

http_urlpatterns: list[Any] = [path("theory/", Theory.as_asgi())]
websocket_urlpatterns: list[Any] = []
if settings.STAGE_SOCKET:
    http_urlpatterns += [
        path("stage/", State.as_asgi()),
        path("stage/wire/", Wire.as_asgi()),
        path("stage/network/", SetNetwork.as_asgi()),
        path("stage/feed/", SetFeed.as_asgi()),
        path("stage/burst/", Burst.as_asgi()),
        path("stage/cut/", Cut.as_asgi()),
        path("stage/stall/", Stall.as_asgi()),
        path("stage/fault/", SetFaults.as_asgi()),
        path("stage/restart/", Restart.as_asgi()),
    ]
    websocket_urlpatterns.append(path("stage/live/", Live.as_asgi()))
