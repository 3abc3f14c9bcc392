"""What each technique's page shows: its sequence diagrams, its lanes, its code."""

from __future__ import annotations

from dataclasses import dataclass

from django.utils.translation import gettext_lazy as _

from transports.registry import BY_NAME, Technique

from . import sequence_diagrams as diagrams
from .code_excerpts import Excerpt
from .sequence_diagrams import Diagram, Text


@dataclass(frozen=True)
class TechniquePage:
    """A page's parts; `app` is the Django app, `names` are the techniques it serves.

    The words are in templates/techniques/<app>.html.
    """

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
            (diagrams.POLLING,),
            (Excerpt("polling/endpoints.py"), Excerpt("transports/feed.py", "history")),
            (Excerpt("polling/static/polling/source.js", "PollingSource"),),
        ),
        TechniquePage(
            "longpoll",
            _("Long polling"),
            ("longpoll",),
            (diagrams.LONG_POLLING,),
            (Excerpt("longpoll/endpoints.py"), Excerpt("transports/hub.py", "wait")),
            (Excerpt("longpoll/static/longpoll/source.js", "LongPollingSource"),),
        ),
        TechniquePage(
            "streaming",
            _("Streaming"),
            ("streaming", "sse"),
            (diagrams.STREAMING, diagrams.SERVER_SENT_EVENTS),
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
            (diagrams.WEBSOCKET,),
            (
                Excerpt("websocket/consumers.py", "FeedConsumer"),
                Excerpt("websocket/session.py", "Session.receive"),
                Excerpt("websocket/session.py", "Session._feed"),
            ),
            (Excerpt("websocket/static/websocket/source.js", "WebSocketSource"),),
        ),
    )
}
