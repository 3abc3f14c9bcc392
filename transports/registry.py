"""The registry of techniques.

The page, the comparison, the contract suite and the documentation are generated from it. It imports
no app.
"""

from __future__ import annotations

import os
import re
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, replace
from gettext import gettext
from importlib import import_module
from importlib.util import find_spec
from typing import Literal, cast
from urllib.parse import urlsplit

from transports.events import Event

# The wheel installs `websocket/` under another name: websocket-client on PyPI owns `websocket`.
WEBSOCKET = "realtime_websocket" if find_spec("realtime_websocket") else "websocket"

EventStream = Callable[..., AsyncIterator[Event]]
ResponseEnds = Literal["at once", "with events", "never"]


def _(text: str) -> str:
    """Mark a string for translation; Django's own marker would load the settings."""
    return text


@dataclass(frozen=True)
class Caveat:
    """A disadvantage of a technique, and the link to its source.

    Labels and texts are English and marked for translation; the templates translate them.
    """

    text: str
    link: str

    @property
    def source(self) -> str:
        """The source in short: "RFC 6202 §2.2", or the site."""
        rfc = re.search(r"/rfc(\d+)#section-([\d.]+)$", self.link)
        return f"RFC {rfc[1]} §{rfc[2]}" if rfc else str(urlsplit(self.link).hostname)


@dataclass(frozen=True)
class Technique:
    """A way of getting events to a client.

    Two members define it. `response_ends`: at once, with or without events; with the first
    events; or never. `framing`: "batch" is one JSON document as the body; "lines" is a line of
    JSON for each event; "event stream" is Server-Sent Events; "messages" is a WebSocket message
    for each batch. A custom framing may have any other name. On a connection that stays open,
    `around_event` is the text around an event's JSON, and `heartbeat` is the text of a heartbeat;
    both may contain `{id}` and `{room}`. The theory uses only their length.

    `path` contains `{room}`. `source` names the browser's `module:Class`, below the static
    URL; `client` the Python `module:function`, called as `events(base_url, room, since)`.
    `colour` has a value for a dark and one for a light background, both safe for colour-blind
    readers; the page never distinguishes techniques by colour alone.
    """

    name: str
    label: str
    path: str
    scheme: Literal["http", "ws"]
    response_ends: ResponseEnds
    framing: str
    source: str
    client: str
    colour: tuple[str, str]
    caveats: tuple[Caveat, ...]
    media_type: str = "application/json"
    around_event: str = ""
    heartbeat: str = ""
    on_page: bool = True

    @property
    def app(self) -> str:
        """The Django app that it comes from, with `routing`, `client` and static files."""
        return self.client.partition(".")[0]

    @property
    def is_polled(self) -> bool:
        """Whether the client sends a request for each batch."""
        return self.response_ends != "never"

    @property
    def is_stream(self) -> bool:
        """Whether it is an HTTP response that never ends."""
        return self.scheme == "http" and not self.is_polled

    def url_path(self, room: str) -> str:
        return self.path.format(room=room)

    @property
    def events(self) -> EventStream:
        """The Python client: an async generator function."""
        module, _, function = self.client.partition(":")
        return cast(EventStream, getattr(import_module(module), function))


_BATCH = '{"room":"{room}","cursor":"{id}","events":[]}'


def _additional() -> tuple[Technique, ...]:
    """Return the techniques that the environment variable `ADDITIONAL_TECHNIQUES` names.

    It has `module:attribute` for each, separated by spaces. Raises `ImproperlyConfigured`.
    """
    techniques = []
    for name in os.environ.get("ADDITIONAL_TECHNIQUES", "").split():
        module, _, attribute = name.partition(":")
        try:
            techniques.append(getattr(import_module(module), attribute))
        except (ImportError, AttributeError, ValueError) as error:
            from django.core.exceptions import ImproperlyConfigured  # clients need no Django

            text = gettext(
                "ADDITIONAL_TECHNIQUES must have module:attribute; got {name} ({error})."
            )
            raise ImproperlyConfigured(text.format(name=repr(name), error=error)) from error
    return tuple(techniques)


_WEBSOCKET = Technique(
    name="websocket",
    label=_("WebSocket"),
    path="/websocket/{room}/",
    scheme="ws",
    response_ends="never",
    framing="messages",
    source="websocket/source.js:WebSocketSource",
    client=f"{WEBSOCKET}.client:events",
    colour=("#CC79A7", "#B04F9A"),
    around_event=_BATCH,
    heartbeat=_BATCH,
    caveats=(
        Caveat(
            _("Reconnecting and resuming are the application's own work."),
            "https://websockets.spec.whatwg.org/#the-websocket-interface",
        ),
        Caveat(
            _("Cookies travel across origins: the server has to check Origin."),
            "https://www.rfc-editor.org/rfc/rfc6455#section-10.2",
        ),
    ),
)
OWN: tuple[Technique, ...] = (
    Technique(
        name="polling",
        label=_("Polling"),
        path="/polling/{room}/",
        scheme="http",
        response_ends="at once",
        framing="batch",
        source="polling/source.js:PollingSource",
        client="polling.client:events",
        colour=("#E69F00", "#B07800"),
        caveats=(
            Caveat(
                _("An event waits half an interval on average, and most requests come back empty."),
                "https://www.rfc-editor.org/rfc/rfc6202#section-1",
            ),
            Caveat(
                _("A hidden tab's timers run once a second, and after five minutes once a minute."),
                "https://developer.chrome.com/blog/timer-throttling-in-chrome-88",
            ),
        ),
    ),
    Technique(
        name="longpoll",
        label=_("Long polling"),
        path="/longpoll/{room}/",
        scheme="http",
        response_ends="with events",
        framing="batch",
        source="longpoll/source.js:LongPollingSource",
        client="longpoll.client:events",
        colour=("#D55E00", "#9E2B00"),
        caveats=(
            Caveat(
                _(
                    "Every batch costs a request; an event that is published between two requests "
                    "takes up to three one-way delays."
                ),
                "https://www.rfc-editor.org/rfc/rfc6202#section-2.2",
            ),
            Caveat(
                _(
                    "A proxy may time out before the server answers: the poll timeout must be "
                    "shorter than the proxy's."
                ),
                "https://www.rfc-editor.org/rfc/rfc6202#section-5.5",
            ),
        ),
    ),
    Technique(
        name="streaming",
        label=_("Streaming"),
        path="/streaming/{room}/",
        scheme="http",
        response_ends="never",
        framing="lines",
        source="streaming/source.js:StreamingSource",
        client="streaming.client:events",
        colour=("#009E73", "#007F66"),
        media_type="application/x-ndjson",
        around_event="\n",
        heartbeat="\n",
        caveats=(
            Caveat(
                _("A buffering proxy holds all events back until the response ends."),
                "https://www.rfc-editor.org/rfc/rfc6202#section-3.2",
            ),
            Caveat(
                _("An open response takes one of a browser's six HTTP/1.1 connections to a host."),
                "https://www.rfc-editor.org/rfc/rfc9112#section-9.4",
            ),
        ),
    ),
    Technique(
        name="sse",
        label=_("Server-Sent Events"),
        path="/streaming/{room}/sse/",
        scheme="http",
        response_ends="never",
        framing="event stream",
        source="streaming/source.js:ServerSentEventsSource",
        client="streaming.client:sse_events",
        colour=("#56B4E9", "#0A5FB4"),
        media_type="text/event-stream",
        around_event="id: {id}\ndata: \n\n",
        heartbeat=":\n\n",
        caveats=(
            Caveat(
                _(
                    "The browser reconnects and resumes by itself, but a status other than 200 "
                    "ends it for good."
                ),
                "https://html.spec.whatwg.org/multipage/server-sent-events.html#processing-model",
            ),
            Caveat(
                _("EventSource sends no headers of your own, and only GET."),
                "https://html.spec.whatwg.org/multipage/server-sent-events.html#the-eventsource-interface",
            ),
        ),
    ),
    _WEBSOCKET,
    replace(
        _WEBSOCKET,
        name="websocket-sync",
        label=_("WebSocket, synchronous consumer"),
        path="/websocket/sync/{room}/",
        client=f"{WEBSOCKET}.client:sync_events",
        caveats=(
            Caveat(
                _("Synchronous consumers share one thread: one that is slow holds up all of them."),
                "https://channels.readthedocs.io/en/stable/topics/consumers.html#syncconsumer",
            ),
        ),
        on_page=False,
    ),
)
TECHNIQUES = (*OWN, *_additional())

BY_NAME = {technique.name: technique for technique in TECHNIQUES}
APPS = tuple(dict.fromkeys(technique.app for technique in TECHNIQUES))
