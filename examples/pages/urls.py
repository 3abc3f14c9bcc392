"""Views of the pages: each renders the room as HTML, with the cursor to continue from."""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import path
from django.views.decorators.http import require_POST

from transports import feed
from transports.events import Draft

ROOM = "lobby"
PAGES = ["htmx-sse", "htmx-websocket", "event-source", "websocket-source"]


async def page(request: HttpRequest, name: str) -> HttpResponse:
    batch = await feed.history(ROOM)
    context = {"room": ROOM, "cursor": batch.cursor, "events": batch.events}
    return render(request, f"pages/{name}.html", context)


async def messages(request: HttpRequest) -> HttpResponse:
    """Return the list of the room's messages, as a fragment."""
    return render(request, "pages/messages.html", {"events": (await feed.history(ROOM)).events})


@require_POST
async def say(request: HttpRequest) -> HttpResponse:
    await feed.publish(Draft(ROOM, "ada", request.POST["text"]))
    return HttpResponse(status=204)


urlpatterns = [
    *(path(f"{name}/", page, {"name": name}) for name in PAGES),
    path("messages/", messages, name="messages"),
    path("say/", say, name="say"),
]
