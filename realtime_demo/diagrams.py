"""Sequence diagrams, drawn from data: what browser and server say to each other, and when.

Time runs downwards, in transits (one way over the network is one). An arrow slants because a
message is on its way for a transit; the bar at the left is what the page measures: from an
event's publication to its arrival.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import atan2, degrees

from django.utils.functional import Promise
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext

Text = str | Promise

TRANSIT = 36  # user units a transit is drawn high
WIDTH, TOP, BROWSER, SERVER = 440, 40, 92, 340
ASIDE, LONG = 20, 28  # user units; characters
DELAY, DELAY_NAME = 72, 44  # where the bar of a delay stands, left of the browser's line


@dataclass(frozen=True)
class Up:
    """A request, or a message of the client."""

    at: float
    label: Text
    wire: bool = True  # the label is what is on the wire, not a word about it

    def draw(self) -> Iterator[SafeString]:
        yield _arrow(BROWSER, SERVER, self.at, self.label, "up", self.wire)

    def says(self) -> str:
        return gettext("Browser to server: {label}").format(label=self.label)


@dataclass(frozen=True)
class Down:
    """A response, or a part of one."""

    at: float
    label: Text
    wire: bool = True
    empty: bool = False  # carries no event

    def draw(self) -> Iterator[SafeString]:
        kind = "down empty" if self.empty else "down"
        yield _arrow(SERVER, BROWSER, self.at, self.label, kind, self.wire)

    def says(self) -> str:
        return gettext("Server to browser: {label}").format(label=self.label)


@dataclass(frozen=True)
class Event:
    """Published on the server at `at`, seen in the browser at `seen`.

    `column` moves its delay's bar to the left, beside that of an event before it.
    """

    at: float
    seen: float
    name: Text
    column: int = 0

    def draw(self) -> Iterator[SafeString]:
        top, bottom, bar = _y(self.at), _y(self.seen), DELAY - 14 * self.column
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

    def says(self) -> str:
        return gettext(
            "On the server {name} is published. It arrives {transits} transits later."
        ).format(name=self.name, transits=f"{self.seen - self.at:g}")


@dataclass(frozen=True)
class Span:
    """Something that lasts on one side: a pause of the browser, a hold of the server."""

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

    def says(self) -> str:
        who = gettext("The server") if self.side == "server" else gettext("The browser")
        return f"{who}: {self.label}"


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

    def says(self) -> str:
        return self.label


Step = Up | Down | Event | Span | Cut


@dataclass(frozen=True)
class Diagram:
    """`steps` in the order in which they are to be told."""

    slug: str
    title: Text
    steps: tuple[Step, ...]

    @property
    def length(self) -> float:
        """In transits."""
        return max(_end(step) for step in self.steps)

    def svg(self) -> SafeString:
        """The drawing. What it shows is told by `told`, so it is hidden from screen readers."""
        height = TOP + self.length * TRANSIT + 16
        heads = format_html_join(
            "",
            '<text class="head" x="{0}" y="18">{1}</text><path class="line" d="M{0} 28V{2}"/>',
            [(BROWSER, gettext("browser"), height), (SERVER, gettext("server"), height)],
        )
        # What arrives stands on the arrow that brought it.
        steps = sorted(self.steps, key=lambda step: isinstance(step, Event))
        drawn = format_html_join("", "{}", ((part,) for step in steps for part in step.draw()))
        return format_html(
            '<svg class="sequence" viewBox="0 0 {} {}" aria-hidden="true" focusable="false">'
            "{}{}</svg>",
            WIDTH,
            round(height),
            heads,
            drawn,
        )

    def told(self) -> list[str]:
        """The same, a sentence for each step."""
        return [step.says() for step in self.steps]


def _y(at: float) -> float:
    return TOP + at * TRANSIT


def _end(step: Step) -> float:
    if isinstance(step, Event):
        return step.seen
    if isinstance(step, Span):
        return step.end
    return step.at + 1


def _arrow(start: int, end: int, at: float, label: Text, kind: str, wire: bool) -> SafeString:
    top, bottom = _y(at), _y(at + 1)
    angle = degrees(atan2(bottom - top, end - start))
    # The words run from left to right, whichever way the arrow points.
    slope = angle if end > start else angle - 180
    # Where an answer starts the request has just ended: its words, if they are few, keep clear.
    aside = ASIDE if end < start and len(str(label)) < LONG else 0
    middle = (start + end) / 2 - aside
    return format_html(
        '<path class="arrow {0}" d="M{1} {2}L{3} {4}"/>'
        '<path class="tip" transform="translate({3} {4}) rotate({5})" d="M0 0-10-4v8z"/>'
        '<text class="{6}" transform="translate({7} {8}) rotate({9})" y="-5">{10}</text>',
        kind, start, f"{top:g}", end, f"{bottom:g}", f"{angle:.1f}",
        "wire" if wire else "word middle",
        f"{middle:g}", f"{top + (bottom - top) * (middle - start) / (end - start):.1f}",
        f"{slope:.1f}", label,
    )  # fmt: skip
