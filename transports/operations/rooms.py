"""`GET /rooms/`: the rooms in use that a visitor may see, and who is in them."""

from __future__ import annotations

from django.conf import settings

from transports.auth.permissions import is_open_to
from transports.events import encode
from transports.http.base import Endpoint, answer
from transports.http.request import Request
from transports.http.scope import Receive, Send
from transports.presence.service import presence


class RoomsEndpoint(Endpoint):
    """`{"rooms": [{"room", "connections", "people": [name, ...]}, ...]}`, by name.

    `connections` are streams, sockets and held requests; `people` those who came in with a
    name. At most `MAX_ROOMS` rooms, the fullest.
    """

    async def respond(self, request: Request, receive: Receive, send: Send) -> None:
        connections, people = await presence().everyone()
        names: dict[str, list[str]] = {room: [] for room in connections}
        for person in people:
            names.setdefault(person.room, []).append(person.name)
        fullest = sorted(
            (room for room in names if is_open_to(room, request.user)),
            key=lambda room: (len(names[room]), connections.get(room, 0)),
            reverse=True,
        )
        rooms = [
            {"room": room, "connections": connections.get(room, 0), "people": sorted(names[room])}
            for room in sorted(fullest[: settings.MAX_ROOMS])
        ]
        await answer(send, 200, b"application/json", encode({"rooms": rooms}))
