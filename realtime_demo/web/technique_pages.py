"""The technique pages: sequence diagrams, lanes and code of each technique."""

from __future__ import annotations

from dataclasses import dataclass

from django.utils.translation import gettext

from transports.registry import BY_NAME, WEBSOCKET, Technique

from . import sequence_diagrams as diagrams
from .code_excerpts import Excerpt
from .sequence_diagrams import Diagram


@dataclass(frozen=True)
class TechniquePage:
    """The parts of a page; `app` is the Django app, `names` are its techniques, the main one first.

    The text is in templates/techniques/<app>.html.
    """

    app: str
    names: tuple[str, ...]
    diagrams: tuple[Diagram, ...]
    server: tuple[Excerpt, ...]
    browser: tuple[Excerpt, ...]

    @property
    def techniques(self) -> list[Technique]:
        return [BY_NAME[name] for name in self.names]

    @property
    def label(self) -> str:
        return gettext(self.techniques[0].label)


PAGES = {
    page.app: page
    for page in (
        TechniquePage(
            "polling",
            ("polling",),
            (diagrams.POLLING,),
            (Excerpt("polling/endpoints.py"), Excerpt("transports/feed.py", "history")),
            (Excerpt("polling/static/polling/source.js", "PollingSource"),),
        ),
        TechniquePage(
            "longpoll",
            ("longpoll",),
            (diagrams.LONG_POLLING,),
            (Excerpt("longpoll/endpoints.py"), Excerpt("transports/hub.py", "wait")),
            (Excerpt("longpoll/static/longpoll/source.js", "LongPollingSource"),),
        ),
        TechniquePage(
            "streaming",
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
            ("websocket",),
            (diagrams.WEBSOCKET,),
            (
                Excerpt(f"{WEBSOCKET}/consumers.py", "FeedConsumer"),
                Excerpt(f"{WEBSOCKET}/session.py", "Session.receive"),
                Excerpt(f"{WEBSOCKET}/session.py", "Session._feed"),
            ),
            (Excerpt(f"{WEBSOCKET}/static/websocket/source.js", "WebSocketSource"),),
        ),
    )
}
