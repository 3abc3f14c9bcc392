"""Code of the notes, unchanged, which the experiments run: two chat consumers and a view."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import Any

from asgiref.sync import async_to_sync
from channels.generic.websocket import AsyncWebsocketConsumer, WebsocketConsumer
from django.http import HttpRequest, HttpResponse
from django.urls import path

SECONDS = 0.2  # that the view waits
running: Counter[str] = Counter()  # requests in the view, by server interface
most: Counter[str] = Counter()  # and the highest number so far


class ChatConsumer(WebsocketConsumer):  # type: ignore[misc]
    def connect(self) -> None:
        self.room = self.scope["room"]
        async_to_sync(self.channel_layer.group_add)(self.room, self.channel_name)
        self.accept()

    def receive(self, text_data: str) -> None:
        message = {"type": "chat.message", "text": text_data}
        async_to_sync(self.channel_layer.group_send)(self.room, message)

    def chat_message(self, event: dict[str, Any]) -> None:
        self.send(text_data=event["text"])


class AsyncChatConsumer(AsyncWebsocketConsumer):  # type: ignore[misc]
    async def connect(self) -> None:
        self.room = self.scope["room"]
        await self.channel_layer.group_add(self.room, self.channel_name)
        await self.accept()

    async def receive(self, text_data: str) -> None:
        message = {"type": "chat.message", "text": text_data}
        await self.channel_layer.group_send(self.room, message)

    async def chat_message(self, event: dict[str, Any]) -> None:
        await self.send(text_data=event["text"])


async def wait(request: HttpRequest, interface: str) -> HttpResponse:
    running[interface] += 1
    most[interface] = max(most[interface], running[interface])
    await asyncio.sleep(SECONDS)
    running[interface] -= 1
    return HttpResponse("waited")


urlpatterns = [path("<str:interface>/", wait)]
