"""Sequence diagrams of the techniques: the drawing, and the steps of each.

Time runs downwards, in units of the network's one-way delay. Arrows slant because a message takes
one such unit. The bar on the left is the delay that the page measures: from an event's publication
to its arrival.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import atan2, degrees

from django.utils.functional import Promise
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext, ngettext
from django.utils.translation import gettext_lazy as _

Text = str | Promise

ONE_WAY = 36  # height of a one-way delay in user units
WIDTH, TOP, BROWSER, SERVER = 440, 40, 92, 340
LABEL_SHIFT, LONG_LABEL = 20, 28  # user units; characters
DELAY, DELAY_NAME = 72, 44  # x of a delay's bar and of its name, left of the browser's line


@dataclass(frozen=True)
class Message:
    """A message between browser and server."""

    at: float
    label: Text
    wire: bool = True  # the label quotes the message, rather than describing it
    empty: bool = False  # carries no event


class Up(Message):
    """A request, or a message from the client."""

    def draw(self) -> Iterator[SafeString]:
        yield _arrow(BROWSER, SERVER, self, "up")

    def describe(self) -> str:
        return gettext("Browser to server: {label}").format(label=self.label)


class Down(Message):
    """A response, or a part of one."""

    def draw(self) -> Iterator[SafeString]:
        yield _arrow(SERVER, BROWSER, self, "down empty" if self.empty else "down")

    def describe(self) -> str:
        return gettext("Server to browser: {label}").format(label=self.label)


@dataclass(frozen=True)
class DiagramEvent:
    """An event: published on the server at `at`, received by the browser at `received`.

    `column` moves its delay's bar to the left, beside the bar of an earlier event.
    """

    at: float
    received: float
    name: Text
    column: int = 0

    def draw(self) -> Iterator[SafeString]:
        top, bottom, bar = _y(self.at), _y(self.received), DELAY - 14 * self.column
        yield format_html(
            '<path class="event" d="M{} {}l7 7-7 7-7-7z"/>'
            '<text class="name" x="{}" y="{}">{}</text>',
            SERVER, top - 7, SERVER + 14, top + 4.5, self.name,
        )  # fmt: skip
        yield format_html(
            '<path class="delay" d="M{0} {1}V{2}M{3} {1}h10M{3} {2}h10"/>'
            '<circle class="event" cx="{4}" cy="{2}" r="5"/>'
            '<text class="name end" x="{5}" y="{6}">{7}</text>',
            bar, top, bottom, bar - 5, BROWSER, DELAY_NAME, (top + bottom) / 2 + 4.5,
            gettext("delay"),
        )  # fmt: skip

    def describe(self) -> str:
        delays = f"{self.received - self.at:g}"
        return ngettext(
            "{name} is published on the server. It arrives {delays} one-way delay later.",
            "{name} is published on the server. It arrives {delays} one-way delays later.",
            1 if delays == "1" else 2,
        ).format(name=self.name, delays=delays)


@dataclass(frozen=True)
class Span:
    """A period on one side: a pause of the browser, a wait of the server."""

    at: float
    end: float
    label: Text
    side: str = "server"  # or "browser"

    def draw(self) -> Iterator[SafeString]:
        x = SERVER if self.side == "server" else BROWSER
        inwards = -12 if self.side == "server" else 12
        yield format_html(
            '<rect class="span" x="{}" y="{}" width="10" height="{}" rx="3"/>'
            '<text class="word{}" x="{}" y="{}">{}</text>',
            x - 5, _y(self.at), _y(self.end) - _y(self.at),
            " end" if self.side == "server" else "",
            x + inwards, (_y(self.at) + _y(self.end)) / 2 + 4.5, self.label,
        )  # fmt: skip

    def describe(self) -> str:
        side = gettext("The server") if self.side == "server" else gettext("The browser")
        return f"{side}: {self.label}"


@dataclass(frozen=True)
class Cut:
    """The connection breaks."""

    at: float

    @property
    def label(self) -> str:
        return gettext("the connection is cut")

    def draw(self) -> Iterator[SafeString]:
        y, middle = _y(self.at), (BROWSER + SERVER) / 2
        yield format_html(
            '<path class="cut" d="M{} {}l12 12m0-12l-12 12"/>'
            '<text class="word" x="{}" y="{}">{}</text>',
            middle - 60, y - 6, middle - 40, y + 4.5, self.label,
        )  # fmt: skip

    def describe(self) -> str:
        return self.label


Step = Up | Down | DiagramEvent | Span | Cut


@dataclass(frozen=True)
class Diagram:
    """A sequence diagram; `steps` are in the order of their descriptions."""

    slug: str
    title: Text
    steps: tuple[Step, ...]

    @property
    def length(self) -> float:
        """Length in one-way delays."""
        return max(_end(step) for step in self.steps)

    def svg(self) -> SafeString:
        """Return the drawing, hidden from screen readers, which use `descriptions`."""
        height = TOP + self.length * ONE_WAY + 16
        heads = format_html_join(
            "",
            '<text class="head" x="{0}" y="18">{1}</text><path class="line" d="M{0} 28V{2}"/>',
            [(BROWSER, gettext("browser"), height), (SERVER, gettext("server"), height)],
        )
        # Events are drawn last, on top of the arrows.
        steps = sorted(self.steps, key=lambda step: isinstance(step, DiagramEvent))
        drawn = format_html_join("", "{}", ((part,) for step in steps for part in step.draw()))
        return format_html(
            '<svg class="sequence" viewBox="0 0 {} {}" aria-hidden="true" focusable="false">'
            "{}{}</svg>",
            WIDTH,
            round(height),
            heads,
            drawn,
        )

    def descriptions(self) -> list[str]:
        """Return a sentence for each step."""
        return [step.describe() for step in self.steps]


def _y(at: float) -> float:
    return TOP + at * ONE_WAY


def _end(step: Step) -> float:
    if isinstance(step, DiagramEvent):
        return step.received
    if isinstance(step, Span):
        return step.end
    return step.at + 1


def _arrow(start: int, end: int, message: Message, kind: str) -> SafeString:
    label, top, bottom = message.label, _y(message.at), _y(message.at + 1)
    angle = degrees(atan2(bottom - top, end - start))
    # The label runs from left to right for both directions of the arrow.
    slope = angle if end > start else angle - 180
    # A response starts where a request ends: shift a short label away from the request's.
    shift = LABEL_SHIFT if end < start and len(str(label)) < LONG_LABEL else 0
    middle = (start + end) / 2 - shift
    return format_html(
        '<path class="arrow {0}" d="M{1} {2}L{3} {4}"/>'
        '<path class="tip" transform="translate({3} {4}) rotate({5})" d="M0 0-10-4v8z"/>'
        '<text class="{6}" transform="translate({7} {8}) rotate({9})" y="-5">{10}</text>',
        kind, start, f"{top:g}", end, f"{bottom:g}", f"{angle:.1f}",
        "wire" if message.wire else "word middle",
        f"{middle:g}", f"{top + (bottom - top) * (middle - start) / (end - start):.1f}",
        f"{slope:.1f}", label,
    )  # fmt: skip


# --- The diagrams: the same three events in each, so that their delays can be compared --------

FIRST, SECOND, THIRD = _("event 42"), _("event 43"), _("event 44")

POLLING = Diagram(
    "polling",
    _("Polling: three requests, two of them with an empty response"),
    (
        Up(0, "GET /polling/lobby/?since=…41"),
        Down(1, _("200, no new events"), wire=False, empty=True),
        Span(2, 5, _("pause: the interval"), "browser"),
        DiagramEvent(2.5, 7, FIRST),
        Up(5, "GET ?since=…41"),
        Down(6, "200 [42]"),
        Span(7, 10, _("pause: the interval"), "browser"),
        Up(10, "GET ?since=…42"),
        Down(11, _("200, no new events"), wire=False, empty=True),
    ),
)

LONG_POLLING = Diagram(
    "longpoll",
    _("Long polling: the response waits for an event; 43 is published between two requests"),
    (
        Up(0, "GET /longpoll/lobby/?since=…41"),
        Span(1, 3.4, _("held until there is an event")),
        DiagramEvent(3.4, 4.4, FIRST),
        Down(3.4, "200 [42]"),
        DiagramEvent(3.9, 6.4, SECOND, column=1),
        Up(4.4, "GET ?since=…42"),
        Down(5.4, "200 [43]"),
        Up(6.4, "GET ?since=…43"),
        Span(7.4, 9.6, _("held")),
        DiagramEvent(9.6, 10.6, THIRD),
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
        DiagramEvent(3, 4, FIRST),
        Down(3, '{"id":"…42", …}⏎'),
        DiagramEvent(4.3, 5.3, SECOND),
        Down(4.3, '{"id":"…43", …}⏎'),
        Down(6.5, _("⏎ a blank line: a heartbeat"), wire=False, empty=True),
        DiagramEvent(8, 9, THIRD),
        Down(8, '{"id":"…44", …}⏎'),
    ),
)

SERVER_SENT_EVENTS = Diagram(
    "sse",
    _("Server-Sent Events: cut, and resumed by the browser itself"),
    (
        Up(0, "GET /streaming/lobby/sse/"),
        Down(1, "retry: 1000⏎ id: …41⏎⏎"),
        DiagramEvent(2.6, 3.6, FIRST),
        Down(2.6, "id: …42⏎ data: {…}⏎⏎"),
        Cut(4.8),
        DiagramEvent(5.3, 9.6, SECOND),
        Span(4.9, 7.4, _("waits for the time in “retry:”"), "browser"),
        Up(7.6, "Last-Event-ID: …42"),
        Down(8.6, "id: …43⏎ data: {…}⏎⏎"),
        DiagramEvent(10.4, 11.4, THIRD),
        Down(10.4, "id: …44⏎ data: {…}⏎⏎"),
    ),
)

WEBSOCKET = Diagram(
    "websocket",
    _("WebSocket: after the handshake both sides send when they like"),
    (
        Up(0, "GET, Upgrade: websocket"),
        Down(1, "101 Switching Protocols"),
        DiagramEvent(3, 4, FIRST),
        Down(3, '{"cursor":"…42","events":[…]}'),
        Up(4.8, '{"type":"publish","text":"hi"}'),
        DiagramEvent(6.3, 7.3, SECOND),
        Down(6.3, '{"cursor":"…43","events":[…]}'),
        Down(8.3, _("an empty batch: a heartbeat"), wire=False, empty=True),
        DiagramEvent(9.9, 10.9, THIRD),
        Down(9.9, '{"cursor":"…44","events":[…]}'),
    ),
)
