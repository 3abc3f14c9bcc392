"""A page for each technique: what it is, its sequence, its own lane, its code, its caveats."""

from __future__ import annotations

from dataclasses import dataclass

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_safe

from transports.registry import BY_NAME, Technique

from . import sequences
from .diagrams import Diagram, Text
from .excerpts import Excerpt
from .page import DEFAULT_ROOM, for_scripts, personal, strict_content_security_policy


@dataclass(frozen=True)
class TechniquePage:
    """`app` is the Django app, `names` the techniques it serves. The words are in
    templates/techniques/<app>.html."""

    app: str
    label: Text
    names: tuple[str, ...]
    diagrams: tuple[Diagram, ...]
    server: tuple[Excerpt, ...]
    browser: tuple[Excerpt, ...]

    @property
    def techniques(self) -> list[Technique]:
        return [BY_NAME[name] for name in self.names]


PAGES = {
    page.app: page
    for page in (
        TechniquePage(
            "polling",
            _("Polling"),
            ("polling",),
            (sequences.POLLING,),
            (Excerpt("polling/endpoints.py"), Excerpt("transports/feed.py", "history")),
            (Excerpt("polling/static/polling/source.js", "PollingSource"),),
        ),
        TechniquePage(
            "longpoll",
            _("Long polling"),
            ("longpoll",),
            (sequences.LONG_POLLING,),
            (Excerpt("longpoll/endpoints.py"), Excerpt("transports/hub.py", "wait")),
            (Excerpt("longpoll/static/longpoll/source.js", "LongPollingSource"),),
        ),
        TechniquePage(
            "streaming",
            _("Streaming"),
            ("streaming", "sse"),
            (sequences.STREAMING, sequences.SERVER_SENT_EVENTS),
            (Excerpt("streaming/endpoints.py"), Excerpt("transports/hub.py", "subscribe")),
            (
                Excerpt("streaming/static/streaming/source.js", "StreamingSource"),
                Excerpt("streaming/static/streaming/source.js", "lines"),
                Excerpt("streaming/static/streaming/source.js", "ServerSentEventsSource"),
            ),
        ),
        TechniquePage(
            "websocket",
            _("WebSocket"),
            ("websocket",),
            (sequences.WEBSOCKET,),
            (
                Excerpt("websocket/consumers.py", "FeedConsumer"),
                Excerpt("websocket/session.py", "Session.receive"),
                Excerpt("websocket/session.py", "Session._feed"),
            ),
            (Excerpt("websocket/static/websocket/source.js", "WebSocketSource"),),
        ),
    )
}


@require_safe
@strict_content_security_policy
@personal
def technique_page(request: HttpRequest, app: str) -> HttpResponse:
    pages = list(PAGES.values())
    place = list(PAGES).index(app)
    context = {
        "page": pages[place],
        "pages": pages,
        "previous": pages[place - 1] if place else None,
        "next": pages[place + 1] if place + 1 < len(pages) else None,
        "techniques": pages[place].techniques,
        **for_scripts(request, DEFAULT_ROOM, pages[place].techniques),
    }
    return render(request, f"techniques/{app}.html", context)
