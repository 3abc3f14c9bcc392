"""The sequence of each technique: the same three events, whose fates can be compared."""

from __future__ import annotations

from django.utils.translation import gettext_lazy as _

from .diagrams import Cut, Diagram, Down, Event, Span, Up

FIRST, SECOND, THIRD = _("event 42"), _("event 43"), _("event 44")

POLLING = Diagram(
    "polling",
    _("Short polling: three requests, two of them for nothing"),
    (
        Up(0, "GET /polling/lobby/?since=…41"),
        Down(1, _("200, nothing new"), wire=False, empty=True),
        Span(2, 5, _("pause: the interval"), "browser"),
        Event(2.5, 7, FIRST),
        Up(5, "GET ?since=…41"),
        Down(6, "200 [42]"),
        Span(7, 10, _("pause: the interval"), "browser"),
        Up(10, "GET ?since=…42"),
        Down(11, _("200, nothing new"), wire=False, empty=True),
    ),
)

LONG_POLLING = Diagram(
    "longpoll",
    _("Long polling: the answer waits for an event; 43 falls into the gap"),
    (
        Up(0, "GET /longpoll/lobby/?since=…41"),
        Span(1, 3.4, _("held until there is something")),
        Event(3.4, 4.4, FIRST),
        Down(3.4, "200 [42]"),
        Event(3.9, 6.4, SECOND, column=1),
        Up(4.4, "GET ?since=…42"),
        Down(5.4, "200 [43]"),
        Up(6.4, "GET ?since=…43"),
        Span(7.4, 9.6, _("held")),
        Event(9.6, 10.6, THIRD),
        Down(9.6, "200 [44]"),
        Up(10.6, "GET ?since=…44"),
    ),
)

STREAMING = Diagram(
    "streaming",
    _("Streaming: one response that does not end"),
    (
        Up(0, "GET /streaming/lobby/?since=…41"),
        Down(1, _("200, and no Content-Length"), wire=False, empty=True),
        Event(3, 4, FIRST),
        Down(3, '{"id":"…42", …}⏎'),
        Event(4.3, 5.3, SECOND),
        Down(4.3, '{"id":"…43", …}⏎'),
        Down(6.5, _("⏎ a blank line: a sign of life"), wire=False, empty=True),
        Event(8, 9, THIRD),
        Down(8, '{"id":"…44", …}⏎'),
    ),
)

SERVER_SENT_EVENTS = Diagram(
    "sse",
    _("Server-Sent Events: cut, and resumed by the browser itself"),
    (
        Up(0, "GET /streaming/lobby/sse/"),
        Down(1, "retry: 1000⏎ id: …41⏎⏎"),
        Event(2.6, 3.6, FIRST),
        Down(2.6, "id: …42⏎ data: {…}⏎⏎"),
        Cut(4.8),
        Event(5.3, 9.6, SECOND),
        Span(4.9, 7.4, _("waits as “retry:” says"), "browser"),
        Up(7.6, "Last-Event-ID: …42"),
        Down(8.6, "id: …43⏎ data: {…}⏎⏎"),
        Event(10.4, 11.4, THIRD),
        Down(10.4, "id: …44⏎ data: {…}⏎⏎"),
    ),
)

WEBSOCKET = Diagram(
    "websocket",
    _("WebSocket: after the handshake both sides speak when they like"),
    (
        Up(0, "GET, Upgrade: websocket"),
        Down(1, "101 Switching Protocols"),
        Event(3, 4, FIRST),
        Down(3, '{"cursor":"…42","events":[…]}'),
        Up(4.8, '{"type":"publish","text":"hi"}'),
        Event(6.3, 7.3, SECOND),
        Down(6.3, '{"cursor":"…43","events":[…]}'),
        Down(8.3, _("an empty batch: a sign of life"), wire=False, empty=True),
        Event(9.9, 10.9, THIRD),
        Down(9.9, '{"cursor":"…44","events":[…]}'),
    ),
)
