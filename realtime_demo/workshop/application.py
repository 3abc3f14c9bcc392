"""The ASGI application of an exercise: its routes, publishing and the feed, without Django's own.

Importing this module sets Django up, unless a project has done so.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence

import django
from channels.routing import ProtocolTypeRouter, URLRouter
from django.conf import settings
from django.urls import URLPattern, re_path

from realtime_demo.workshop.lane import PREFIX

if not settings.configured:
    settings.configure(
        SECRET_KEY="for an exercise",
        ALLOWED_HOSTS=["localhost", "127.0.0.1"],
        INSTALLED_APPS=["transports"],
        CHANNEL_LAYERS={"default": {"BACKEND": "channels.layers.InMemoryChannelLayer"}},
    )
    django.setup()
    logging.basicConfig(level=logging.INFO)

import transports.routing
from transports.boundary import Boundary
from transports.lifespan import FeedService


class ExerciseApplication(Boundary):
    """An application with these routes and `POST /publish/<room>/`.

    `http_urlpatterns` and `websocket_urlpatterns` mount the routes in the demo, below PREFIX.
    """

    def __init__(self, http: Sequence[URLPattern], websocket: Sequence[URLPattern]) -> None:
        router = ProtocolTypeRouter(
            {
                "http": URLRouter([*http, *transports.routing.http_urlpatterns]),
                "websocket": URLRouter([*websocket]),
            }
        )
        super().__init__(router, [FeedService()])
        self.http_urlpatterns = [re_path(f"^{PREFIX}/", URLRouter([*http]))]
        self.websocket_urlpatterns = [re_path(f"^{PREFIX}/", URLRouter([*websocket]))]


def build_application(
    http: Sequence[URLPattern] = (), websocket: Sequence[URLPattern] = ()
) -> ExerciseApplication:
    return ExerciseApplication(http, websocket)
