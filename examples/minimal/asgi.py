"""Run it with stock Uvicorn, and publish with curl:

uvicorn examples.minimal.asgi:application
curl localhost:8000/publish/lobby/ --json '{"sender": "ada", "text": "hi"}'
curl -N localhost:8000/streaming/lobby/
"""

import os

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "examples.minimal.settings")

import django

django.setup()

from channels.routing import ProtocolTypeRouter, URLRouter

import longpoll.routing
import polling.routing
import streaming.routing
import transports.routing
import websocket.routing
from transports.boundary import Boundary
from transports.lifespan import FeedService

http = [
    *polling.routing.http_urlpatterns,
    *longpoll.routing.http_urlpatterns,
    *streaming.routing.http_urlpatterns,
    *transports.routing.http_urlpatterns,
]
websockets = websocket.routing.websocket_urlpatterns
application = Boundary(
    ProtocolTypeRouter({"http": URLRouter(http), "websocket": URLRouter(websockets)}),
    [FeedService()],
)
