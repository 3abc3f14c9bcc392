"""WebSocket: a chat consumer that loses no event, at `/chat/<room>/?since=`."""

from realtime_demo.workshop.application import build_application  # isort: skip

import asyncio
from contextlib import aclosing

from channels.generic.websocket import AsyncWebsocketConsumer
from django.urls import re_path

from transports import hub
from transports.http.request import Request


class Chat(AsyncWebsocketConsumer):  # type: ignore[misc]
    async def connect(self) -> None:
        await self.accept()
        self.feeding = asyncio.create_task(self.feed(Request(self.scope)))

    async def disconnect(self, code: int) -> None:
        self.feeding.cancel()

    async def feed(self, request: Request) -> None:
        async with aclosing(hub.subscribe(request.room, request.since)) as batches:
            async for batch in batches:
                for event in batch.events:
                    await self.send(text_data=event.encoded.decode())


application = build_application(websocket=[re_path(r"^chat/(?P<room>[^/]+)/$", Chat.as_asgi())])
