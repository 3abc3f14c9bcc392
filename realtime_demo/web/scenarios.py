"""Guided scenarios: a question, a run, and an answer with the figures of the run.

A scenario has an address: `/?scene=burst`. Its `settings` are those of the page's address; its
`actions` are done by the page's controls, so many seconds after the start. In `answer` the
browser replaces `{median.sse}` and the like by the figures measured.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

RFC = "https://www.rfc-editor.org/rfc/"

FIGURES = ("median", "p95", "requests", "empty", "reconnects", "received", "lost")


@dataclass(frozen=True)
class Choice:
    text: Promise
    right: bool = False


@dataclass(frozen=True)
class Action:
    """Something that the page does `after` so many seconds; `do` names the control."""

    after: float
    do: str
    what: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Scenario:
    """`duration` is that of the whole run, in seconds.

    `needs_demo`: requires the controls that only `manage.py demo` has.
    """

    slug: str
    title: Promise
    question: Promise
    choices: tuple[Choice, ...]
    settings: Mapping[str, Any]
    duration: float
    answer: Promise
    link: str
    actions: tuple[Action, ...] = ()
    needs_demo: bool = True

    def for_browser(self) -> dict[str, Any]:
        """As JSON, in the active language."""
        return {
            "slug": self.slug,
            "title": str(self.title),
            "question": str(self.question),
            "choices": [{"text": str(each.text), "right": each.right} for each in self.choices],
            "settings": dict(self.settings),
            "actions": [{**each.what, "after": each.after, "do": each.do} for each in self.actions],
            "duration": self.duration,
            "answer": str(self.answer),
            "link": self.link,
            "needsDemo": self.needs_demo,
        }


SCENARIOS: tuple[Scenario, ...] = (
    Scenario(
        slug="race",
        title=_("Which one is the fastest?"),
        question=_(
            "The server is 100 ms away, one way. Streaming, Server-Sent Events and WebSocket all "
            "keep a connection open. Which of them brings an event soonest?"
        ),
        choices=(
            Choice(_("WebSocket, because it is no longer HTTP")),
            Choice(_("Server-Sent Events, because the browser itself understands them")),
            Choice(_("None of them: all three take the same time"), right=True),
        ),
        settings={"rtt": 200, "rate": 3},
        duration=15,
        answer=_(
            "Median delays: streaming {median.streaming}, Server-Sent Events {median.sse}, "
            "WebSocket {median.websocket}. Each is one transit, 100 ms, and a little work. Where "
            "someone is already listening, nothing is faster than the way itself, whatever the "
            "framing. Polling took {median.polling}: not because its messages travel more slowly, "
            "but because they wait to be asked for."
        ),
        link=f"{RFC}rfc6455#section-1.1",
    ),
    Scenario(
        slug="interval",
        title=_("The price of freshness"),
        question=_(
            "Polling now asks five times a second. About one event in two seconds comes, at "
            "random. How many of its answers are empty?"
        ),
        choices=(
            Choice(_("About one in ten")),
            Choice(_("About half")),
            Choice(_("About nine in ten"), right=True),
        ),
        settings={"interval": 200, "rate": 0.5},
        duration=20,
        answer=_(
            "Of {requests.polling} answers {empty.polling} were empty; the theory says "
            "e^(-λ(I+R)), here 90 %. For that price an event took {median.polling}; the theory "
            "expects half the interval, 100 ms, and the way. Server-Sent Events asked no question "
            "in all that time, and took {median.sse}. Now set the interval to 5 seconds and see "
            "the other end of the bargain: few requests, stale news."
        ),
        link=f"{RFC}rfc6202#section-1",
    ),
    Scenario(
        slug="burst",
        title=_("The burst"),
        question=_(
            "The server is 200 ms away, one way. Thirty events are published at once. How late is "
            "most of the burst by long polling?"
        ),
        choices=(
            Choice(_("200 ms, as by a stream")),
            Choice(_("400 ms, a round trip")),
            Choice(_("600 ms, three transits"), right=True),
        ),
        settings={"rtt": 400, "interval": 1000},
        actions=(
            Action(0.5, "feed", {"running": False}),
            Action(3, "burst", {"count": 30}),
            Action(6, "burst", {"count": 30}),
            Action(9, "burst", {"count": 30}),
            Action(11.5, "feed", {"running": True}),
        ),
        duration=12,
        answer=_(
            "Long polling: {median.longpoll}. Streaming: {median.streaming}. The request that was "
            "waiting took the first event down. All others had to wait until that answer had "
            "arrived and the next request had come up; only then could they go down, together. "
            "That is three transits, a round trip more than a stream needs, and a little work."
        ),
        link=f"{RFC}rfc6202#section-2.2",
    ),
    Scenario(
        slug="cut",
        title=_("Who comes back?"),
        question=_(
            "In a moment every connection is cut. The feed goes on. What will be missing "
            "afterwards?"
        ),
        choices=(
            Choice(_("Whatever was published while a technique was away")),
            Choice(_("Polling loses nothing, the others do")),
            Choice(_("Nothing at all"), right=True),
        ),
        settings={"rate": 5},
        actions=(Action(5, "cut"),),
        duration=15,
        answer=_(
            "Lost: {lost.total}. Every event has a number, and whoever comes back says which one "
            "it had last; the server goes on behind it. Reconnects: streaming "
            "{reconnects.streaming}, Server-Sent Events {reconnects.sse}, WebSocket "
            "{reconnects.websocket}. For Server-Sent Events the browser did it by itself, with "
            "Last-Event-ID; for the two others a script had to. Long polling: "
            "{reconnects.longpoll}; a request of which no answer has come yet is repeated by the "
            "browser, and nobody notices. Without those numbers, what came in between would be "
            "lost."
        ),
        link="https://html.spec.whatwg.org/multipage/server-sent-events.html#the-last-event-id-header",
    ),
    Scenario(
        slug="restart",
        title=_("The server crashes"),
        question=_(
            "In a moment the server is killed and started again. What it had published was in its "
            "memory alone. What will the lanes show?"
        ),
        choices=(
            Choice(_("Nothing: they go on as if nothing had happened")),
            Choice(_("They come back, and are told that the numbering starts over"), right=True),
            Choice(_("They stay dead until the page is loaded again")),
        ),
        settings={"rate": 5},
        actions=(Action(5, "restart", {"kill": True}),),
        duration=18,
        answer=_(
            "All came back by themselves; reconnects: polling {reconnects.polling}, long polling "
            "{reconnects.longpoll}, streaming {reconnects.streaming}, Server-Sent Events "
            "{reconnects.sse}, WebSocket {reconnects.websocket}. The place they had reached no "
            "longer exists, and the server says so with a “reset” in the feed: a loss is stated, "
            "never silent. With its history in Redis (REDIS_URL) the server would have gone on "
            "where it was."
        ),
        link="https://redis.io/docs/latest/develop/data-types/streams/",
    ),
    Scenario(
        slug="buffering",
        title=_("The proxy that buffers"),
        question=_(
            "A proxy on the way now collects each response until it has 16 KiB of it, or all of "
            "it. Which techniques fall silent?"
        ),
        choices=(
            Choice(_("All five")),
            Choice(_("Streaming and Server-Sent Events"), right=True),
            Choice(_("WebSocket alone")),
        ),
        settings={"rate": 2},
        actions=(
            Action(4, "buffering", {"on": True}),
            Action(14, "buffering", {"on": False}),
        ),
        duration=18,
        answer=_(
            "Streaming and Server-Sent Events: their response has no end, so the proxy went on "
            "collecting. When it let go everything came at once; the 95th percentile of the delay "
            "is {p95.streaming} and {p95.sse}, beside {p95.longpoll} by long polling, whose every "
            "answer ends, and {p95.websocket} by WebSocket, which a proxy passes on unread. Lost: "
            "{lost.total}. nginx buffers unless it is told X-Accel-Buffering: no, which this "
            "server says; the proxy of this scene does not listen."
        ),
        link="https://nginx.org/en/docs/http/ngx_http_proxy_module.html#proxy_buffering",
    ),
    Scenario(
        slug="gzip",
        title=_("The compressor that means well"),
        question=_(
            "A middleware now compresses the streams: each piece becomes a gzip file of its own, "
            "one behind the other. What does a browser read of such a stream?"
        ),
        choices=(
            Choice(_("Everything, in fewer bytes")),
            Choice(_("The first piece, and then nothing more"), right=True),
            Choice(_("Nothing until the stream ends, then everything")),
        ),
        settings={"rate": 2},
        actions=(
            Action(4, "gzip", {"on": True}),
            Action(14, "gzip", {"on": False}),
        ),
        duration=20,
        answer=_(
            "Streaming and Server-Sent Events were opened anew, read one piece and fell silent, "
            "although the server went on sending: a browser stops at the end of the first "
            "gzip member. The 95th percentile of the delay is {p95.streaming} and {p95.sse}, "
            "beside {p95.websocket} by WebSocket. Django's GZipMiddleware does this to an "
            "asynchronous stream; Content-Encoding: identity, which this server otherwise sends, "
            "keeps it off. Without compression everything was given again: lost {lost.total}."
        ),
        link="https://docs.djangoproject.com/en/5.2/ref/middleware/#module-django.middleware.gzip",
    ),
    Scenario(
        slug="connections",
        title=_("The seventh connection"),
        question=_(
            "A browser opens at most six HTTP/1.1 connections to one host. Streaming, Server-Sent "
            "Events and long polling hold three of them. Now four more streams are opened, as "
            "further tabs would. Who is left without a connection?"
        ),
        choices=(
            Choice(_("Nobody: the browser opens a seventh")),
            Choice(_("WebSocket, the newcomer among them")),
            Choice(_("Polling and long polling"), right=True),
        ),
        settings={"rate": 2},
        actions=(
            Action(4, "connections", {"count": 4}),
            Action(16, "resume"),
        ),
        duration=20,
        answer=_(
            "Polling and long polling: the next time they asked, no connection was free. The 95th "
            "percentile of the delay is {p95.polling} and {p95.longpoll}, beside {p95.sse} by "
            "Server-Sent Events, whose connection was open already, and {p95.websocket} by "
            "WebSocket, which browsers do not count among the six. That is why this page runs in "
            "one tab at a time. Over HTTP/2 all share one connection, and the limit is gone."
        ),
        link=f"{RFC}rfc9112#section-9.4",
        needs_demo=False,
    ),
    Scenario(
        slug="hidden",
        title=_("The hidden tab"),
        question=_(
            "Polling asks five times a second. Start, switch to another tab for ten seconds, and "
            "come back. How often did it ask meanwhile?"
        ),
        choices=(
            Choice(_("Five times a second, as before")),
            Choice(_("About once a second"), right=True),
            Choice(_("Not at all")),
        ),
        settings={"interval": 200, "rate": 2},
        duration=25,
        answer=_(
            "Polling asked {requests.polling} times; in a tab that stays in sight it would have "
            "been about 120 times. A hidden tab's timers run at most once a second, and after five "
            "minutes once a minute. Long polling, streams and WebSocket need no timer, and went "
            "on. This page leaves hidden time out of its delays: they would be the browser's "
            "doing, not the technique's."
        ),
        link="https://developer.chrome.com/blog/timer-throttling-in-chrome-88",
        needs_demo=False,
    ),
    Scenario(
        slug="slow",
        title=_("The slow reader"),
        question=_(
            "For ten seconds the reader of Server-Sent Events takes nothing off its connection. "
            "What becomes of the events meanwhile?"
        ),
        choices=(
            Choice(_("They are dropped: too slow is too late")),
            Choice(_("Everyone waits for the slowest")),
            Choice(_("They wait for this reader alone, and come all at once"), right=True),
        ),
        settings={"rate": 5},
        actions=(
            Action(4, "stall", {"on": True, "technique": "sse"}),
            Action(14, "stall", {"on": False, "technique": "sse"}),
        ),
        duration=18,
        answer=_(
            "Server-Sent Events received all of them at once afterwards: 95th percentile "
            "{p95.sse}, lost {lost.total}. Nobody else noticed: WebSocket's is {p95.websocket}. "
            "What was sent meanwhile waited in the buffers on the way. Had they filled up, the "
            "server would have waited for this one reader; it keeps no queue for each, only the "
            "place that each has reached in the one history of the room."
        ),
        link=f"{RFC}rfc9293#section-3.8.6",
    ),
)
