"""Guided scenarios: a question, a run, and an answer with the figures of the run.

A scenario has an address: `/?scene=burst`. Its `settings` are parameters of the page's address;
its `actions` operate the page's controls at given seconds after the start. In `answer` the
browser replaces placeholders such as `{median.sse}` by the measured figures.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

RFC = "https://www.rfc-editor.org/rfc/"


@dataclass(frozen=True)
class Choice:
    text: Promise
    right: bool = False


@dataclass(frozen=True)
class Action:
    """An action on the control `do` with `values`, `after` seconds from the start."""

    after: float
    do: str
    values: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Scenario:
    """A guided scenario. `duration` is the length of the run in seconds.

    `needs_demo`: it requires the controls that only `manage.py demo` has. `hidden_time`: the
    seconds for which the reader must have hidden the tab; after a shorter time there is no answer.
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
    hidden_time: float = 0

    def for_browser(self) -> dict[str, Any]:
        """Return the scenario as a JSON object, in the active language."""
        return {
            "slug": self.slug,
            "title": str(self.title),
            "question": str(self.question),
            "choices": [{"text": str(each.text), "right": each.right} for each in self.choices],
            "settings": dict(self.settings),
            "actions": [
                {**action.values, "after": action.after, "do": action.do} for action in self.actions
            ],
            "duration": self.duration,
            "answer": str(self.answer),
            "link": self.link,
            "needsDemo": self.needs_demo,
            "hiddenTime": self.hidden_time,
        }


SCENARIOS: tuple[Scenario, ...] = (
    Scenario(
        slug="ask",
        title=_("HTTP does not push"),
        question=_(
            "Polling now sends a request every ten seconds. In between, its connection stays open "
            "and idle, while the server publishes three events a second. What does the server send "
            "on the idle connection?"
        ),
        choices=(
            Choice(_("Each event, as soon as it is published")),
            Choice(_("Nothing, until the next request"), right=True),
            Choice(_("A notification that there are new events")),
        ),
        settings={"interval": 10_000, "rate": 3},
        duration=25,
        answer=_(
            "Nothing. Polling sent {requests.polling} requests, and each event came in the "
            "response to one of them. Median delay: {median.polling}; theory predicts "
            "{theory.polling}. An HTTP/1.1 response always answers a request, so the "
            "server could not use the open connection, and the browser would have discarded "
            "anything else. Over WebSocket, where the server sends without being asked: "
            "{median.websocket}. Long polling and streams push over HTTP by one trick: the request "
            "is there before the event, and the server answers late or without an end."
        ),
        link=f"{RFC}rfc9112#section-9.2",
    ),
    Scenario(
        slug="race",
        title=_("Which technique is the fastest?"),
        question=_(
            "The one-way delay to the server is 100 ms. Streaming, Server-Sent Events and "
            "WebSocket all keep a connection open. Which of them delivers an event first?"
        ),
        choices=(
            Choice(_("WebSocket, because it is no longer HTTP")),
            Choice(_("Server-Sent Events, because the browser itself parses them")),
            Choice(_("None of them: all three take the same time"), right=True),
        ),
        settings={"rtt": 200, "rate": 3},
        duration=15,
        answer=_(
            "Median delays: streaming {median.streaming}, Server-Sent Events {median.sse}, "
            "WebSocket {median.websocket}. Theory predicts {theory.websocket} for each: the "
            "one-way delay of 100 ms plus a little processing. Over an open connection, no framing "
            "is faster than the network itself. Polling: {median.polling}; theory predicts "
            "{theory.polling}. Its messages travel just as fast, but each event waits for the "
            "next request."
        ),
        link=f"{RFC}rfc6455#section-1.1",
    ),
    Scenario(
        slug="interval",
        title=_("Polling often"),
        question=_(
            "Polling now sends five requests a second. Events are published at random, about one "
            "in two seconds. How many of the responses are empty?"
        ),
        choices=(
            Choice(_("About one in ten")),
            Choice(_("About half")),
            Choice(_("About nine in ten"), right=True),
        ),
        settings={"interval": 200, "rate": 0.5},
        duration=20,
        answer=_(
            "Requests: {requests.polling}. Empty responses: {empty.polling}; theory predicts "
            "e^(-λ(I+R)), here {theoryEmpty.polling}. Median delay: {median.polling}; theory "
            "predicts {theory.polling}, half the interval plus the network's delay. Server-Sent "
            "Events sent no further request: {median.sse}. Now set the interval to 5 seconds and "
            "see the other extreme: few requests, but late events."
        ),
        link=f"{RFC}rfc6202#section-1",
    ),
    Scenario(
        slug="burst",
        title=_("A burst of events"),
        question=_(
            "The one-way delay to the server is 200 ms. Thirty events are published at once. With "
            "long polling, what is the delay of most of them?"
        ),
        choices=(
            Choice(_("200 ms, as with a stream")),
            Choice(_("400 ms, a round trip")),
            Choice(_("600 ms, three times the one-way delay"), right=True),
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
            "Median delays: long polling {median.longpoll}; theory predicts 600 ms. Streaming "
            "{median.streaming}; theory predicts 200 ms. The response to the waiting request had "
            "only the first event. All others waited until the browser had that response and the "
            "next request had reached the server; then they were sent together. That takes three "
            "times the one-way delay, a round trip more than a stream, plus a little processing."
        ),
        link=f"{RFC}rfc6202#section-2.2",
    ),
    Scenario(
        slug="cut",
        title=_("Every connection is cut"),
        question=_(
            "In a moment every connection is cut, while the feed continues. Which events will be "
            "missing afterwards?"
        ),
        choices=(
            Choice(_("All that were published while a technique was disconnected")),
            Choice(_("None with polling, some with the others")),
            Choice(_("None at all"), right=True),
        ),
        settings={"rate": 5},
        actions=(Action(5, "cut"),),
        duration=15,
        answer=_(
            "Lost: {lost.total} of {sample.total}; theory predicts 0. Every event has a number. A "
            "client that reconnects sends the number of the last event it received, and the server "
            "continues after it, up to the length of its history: 1,000 events last 200 s at five "
            "a second. One cut, so theory predicts one reconnect of each open connection: "
            "streaming {reconnects.streaming}, Server-Sent Events {reconnects.sse}, WebSocket "
            "{reconnects.websocket}. For Server-Sent Events the browser reconnected by itself, "
            "with Last-Event-ID; for the other two a script had to. Long polling: "
            "{reconnects.longpoll}; the browser itself repeats a request that has no response "
            "yet, without an error. Without the numbers, the events in between would be lost."
        ),
        link="https://html.spec.whatwg.org/multipage/server-sent-events.html#the-last-event-id-header",
    ),
    Scenario(
        slug="restart",
        title=_("The server crashes"),
        question=_(
            "In a moment the server is killed and started again. All published events were in its "
            "memory only. What will the lanes show?"
        ),
        choices=(
            Choice(_("They continue as if nothing had happened")),
            Choice(
                _("They reconnect, and the server reports that the numbering starts over"),
                right=True,
            ),
            Choice(_("They stay disconnected until the page is reloaded")),
        ),
        settings={"rate": 5},
        actions=(Action(5, "restart", {"kill": True}),),
        duration=18,
        answer=_(
            "All reconnected by themselves. One crash, so theory predicts one reconnect of each, "
            "and more while the server starts: polling {reconnects.polling}, long polling "
            "{reconnects.longpoll}, streaming {reconnects.streaming}, Server-Sent Events "
            "{reconnects.sse}, WebSocket {reconnects.websocket}. Nothing was published meanwhile, "
            "so theory predicts the delay of an ordinary run: {theory.websocket} for WebSocket, "
            "measured {median.websocket}. Their cursors are no longer valid, and the server "
            "reports that with a “reset” event: no loss is silent. With its history in Redis "
            "(REDIS_URL), the server would have continued where it stopped."
        ),
        link="https://redis.io/docs/latest/develop/data-types/streams/",
    ),
    Scenario(
        slug="buffering",
        title=_("A buffering proxy"),
        question=_(
            "A proxy now collects each response until it has 16 KiB of it, or all of it. Which "
            "techniques stop receiving events?"
        ),
        choices=(
            Choice(_("All five")),
            Choice(_("Streaming and Server-Sent Events"), right=True),
            Choice(_("Only WebSocket")),
        ),
        settings={"rate": 2},
        actions=(
            Action(4, "buffering", {"on": True}),
            Action(14, "buffering", {"on": False}),
        ),
        duration=18,
        answer=_(
            "Streaming and Server-Sent Events: their response does not end, so the proxy kept "
            "collecting. When it stopped buffering, everything arrived at once. The 95th "
            "percentile of the delay is {p95.streaming} and {p95.sse}; theory predicts 9.1 s: the "
            "pause of 10 s less a twentieth of the run of 18 s. With long polling, whose responses "
            "end, it is {p95.longpoll}; with WebSocket, which a proxy does not buffer, "
            "{p95.websocket}; theory predicts {theoryP95.longpoll} and {theoryP95.websocket}. "
            "Lost: {lost.total} of {sample.total}. nginx buffers unless the response has "
            "X-Accel-Buffering: no, as this server's responses do; the proxy of this scenario "
            "ignores it."
        ),
        link="https://nginx.org/en/docs/http/ngx_http_proxy_module.html#proxy_buffering",
    ),
    Scenario(
        slug="gzip",
        title=_("Compressed streams"),
        question=_(
            "A middleware now compresses the streams: each chunk becomes a separate gzip file, "
            "one after the other. What does a browser read of such a stream?"
        ),
        choices=(
            Choice(_("Everything, in fewer bytes")),
            Choice(_("The first chunk, and then nothing more"), right=True),
            Choice(_("Nothing until the stream ends, then everything")),
        ),
        settings={"rate": 2},
        actions=(
            Action(4, "gzip", {"on": True}),
            Action(14, "gzip", {"on": False}),
        ),
        duration=20,
        answer=_(
            "Streaming and Server-Sent Events reconnected, read one chunk and received nothing "
            "more, although the server continued to send: a browser stops at the end of the first "
            "gzip member. The 95th percentile of the delay is {p95.streaming} and {p95.sse}; "
            "theory predicts 9.0 s, the pause of 10 s less a twentieth of the run of 20 s. With "
            "WebSocket it is {p95.websocket}; theory predicts {theoryP95.websocket}. Django's "
            "GZipMiddleware compresses asynchronous streams in this way; this server's streams "
            "never pass through it, and forbid every proxy to compress them by Cache-Control: "
            "no-transform. Without compression the missing events were sent again. Lost: "
            "{lost.total} of {sample.total}."
        ),
        link="https://docs.djangoproject.com/en/5.2/ref/middleware/#module-django.middleware.gzip",
    ),
    Scenario(
        slug="connections",
        title=_("The seventh connection"),
        question=_(
            "A browser opens at most six HTTP/1.1 connections to one host. Streaming, Server-Sent "
            "Events and long polling hold three of them. Now four more streams are opened, as "
            "further tabs would do. Which techniques get no connection?"
        ),
        choices=(
            Choice(_("None: the browser opens a seventh")),
            Choice(_("WebSocket, the newest of them")),
            Choice(_("Polling and long polling"), right=True),
        ),
        settings={"rate": 2},
        actions=(
            Action(4, "connections", {"count": 4}),
            Action(16, "resume"),
        ),
        duration=20,
        answer=_(
            "Polling and long polling: no connection was free for their next requests. The 95th "
            "percentile of the delay is {p95.polling} and {p95.longpoll}; theory predicts 11.0 s: "
            "the pause of 12 s less a twentieth of the run of 20 s. With Server-Sent Events, whose "
            "connection was already open, it is {p95.sse}; with WebSocket, which browsers do not "
            "count among the six, {p95.websocket}; theory predicts {theoryP95.sse} for both. That "
            "is why this page runs in one tab at a time. Over HTTP/2 all requests share one "
            "connection, without this limit."
        ),
        link=f"{RFC}rfc9112#section-9.4",
        needs_demo=False,
    ),
    Scenario(
        slug="hidden",
        title=_("A hidden tab"),
        question=_(
            "Polling sends five requests a second. Start the run, switch to another tab for ten "
            "seconds, and come back. How often did the hidden tab poll?"
        ),
        choices=(
            Choice(_("Five times a second, as before")),
            Choice(_("About once a second"), right=True),
            Choice(_("Not at all")),
        ),
        settings={"interval": 200, "rate": 2},
        duration=25,
        answer=_(
            "Requests by polling: {requests.polling} in 25 s, of which the tab was hidden for "
            "{hidden.total}; for a visible tab theory predicts about 120, one in I + R = 0.2 s. A "
            "hidden tab's timers run at most once a second, and after five minutes once a minute. "
            "Long polling, streams and WebSocket need no timer, and continued. This page leaves "
            "hidden time out of its delays: the browser causes them, not the technique."
        ),
        link="https://developer.chrome.com/blog/timer-throttling-in-chrome-88",
        needs_demo=False,
        hidden_time=5,
    ),
    Scenario(
        slug="slow",
        title=_("A slow client"),
        question=_(
            "For ten seconds the Server-Sent Events client reads nothing from its connection. "
            "What happens to the events in that time?"
        ),
        choices=(
            Choice(_("They are dropped")),
            Choice(_("All clients wait for the slowest")),
            Choice(_("Only this client's events wait, and then arrive all at once"), right=True),
        ),
        settings={"rate": 5},
        actions=(
            Action(4, "stall", {"on": True, "technique": "sse"}),
            Action(14, "stall", {"on": False, "technique": "sse"}),
        ),
        duration=18,
        answer=_(
            "Server-Sent Events received all of them at once afterwards. The 95th percentile of "
            "the delay is {p95.sse}; theory predicts 9.1 s: the pause of 10 s less a twentieth of "
            "the run of 18 s, since each event waited for the rest of the pause. Lost: "
            "{lost.total} of {sample.total}; theory predicts 0. The other techniques were not "
            "affected: with WebSocket the 95th percentile is {p95.websocket}; theory predicts "
            "{theoryP95.websocket}. The events waited in the buffers between server and client. "
            "Had the buffers filled up, the server would have waited for this client alone: it has "
            "no queue for each client, only a cursor for each into the room's one history."
        ),
        link=f"{RFC}rfc9293#section-3.8.6",
    ),
)
