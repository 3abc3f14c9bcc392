"""`GET /rooms/`: the rooms in use that the user may enter, and the people in them."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse

from transports.auth.permissions import is_open_to
from transports.conf import conf
from transports.http.request import Request
from transports.http.views import api_view, json_response
from transports.presence.service import presence


@api_view("GET", "HEAD")
async def rooms(request: HttpRequest) -> HttpResponse:
    """Return `{"rooms": [{"room", "connections", "people": [name, ...]}, ...]}`, by name.

    `connections` counts streams, sockets and waiting requests; `people` are those who gave a
    name. Lists the `MAX_ROOMS` rooms with most people.
    """
    user = Request(request.scope).user  # type: ignore[attr-defined]
    connections, people = await presence().everyone()
    names: dict[str, list[str]] = {room: [] for room in connections}
    for person in people:
        names.setdefault(person.room, []).append(person.name)
    fullest = sorted(
        (room for room in names if is_open_to(room, user)),
        key=lambda room: (len(names[room]), connections.get(room, 0)),
        reverse=True,
    )
    return json_response(
        {
            "rooms": [
                {
                    "room": room,
                    "connections": connections.get(room, 0),
                    "people": sorted(names[room]),
                }
                for room in sorted(fullest[: conf.MAX_ROOMS])
            ]
        }
    )
