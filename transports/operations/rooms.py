"""`GET /rooms/`: the rooms that the user may enter, in use or with a row, and their people."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse

from transports.auth.permissions import is_open_to
from transports.conf import conf
from transports.http.request import Request, permitted
from transports.http.views import api_view, json_response
from transports.presence.service import presence
from transports.rooms.directory import directory


@api_view("GET", "HEAD")
async def rooms(request: HttpRequest) -> HttpResponse:
    """Return `{"rooms": [{"room", "title", "connections", "people": [name, ...]}, ...]}`, by name.

    `connections` counts streams, sockets and waiting requests; `people` are the clients with a
    name; `title` is there if staff gave one. Lists the `MAX_ROOMS` rooms with the most people.
    """
    user = Request(request.scope).user  # type: ignore[attr-defined]
    connections, people = await presence().everyone()
    listings = directory.listings()
    titles = {room: listing.title for room, listing in listings.items() if listing.title}
    names: dict[str, list[str]] = {room: [] for room in (*listings, *connections)}
    for person in people:
        names.setdefault(person.room, []).append(person.name)
    fullest = sorted(
        await permitted(lambda: [room for room in names if is_open_to(room, user)]),
        key=lambda room: (len(names[room]), connections.get(room, 0)),
        reverse=True,
    )
    return json_response(
        {
            "rooms": [
                {
                    "room": room,
                    **({"title": titles[room]} if room in titles else {}),
                    "connections": connections.get(room, 0),
                    "people": sorted(names[room]),
                }
                for room in sorted(fullest[: conf.MAX_ROOMS])
            ]
        }
    )
