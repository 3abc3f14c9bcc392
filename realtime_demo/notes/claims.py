"""The seventeen claims of the notes, in their order, with a verdict for each."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from enum import Enum

from django.utils.translation import gettext_noop as _

from .experiments import channels_today, techniques, workers
from .laboratory import Laboratory, Observation

RFC = "https://www.rfc-editor.org/rfc/"
CHANNELS = "https://channels.readthedocs.io/en/stable/"
TESTS = "tests/server/test_notes.py"


class Verdict(Enum):
    """A verdict's message id; that of `CONDITIONAL` is followed by the claim's condition."""

    HOLDS = _("holds")
    CONDITIONAL = _("holds if {condition}")
    OUTDATED = _("no longer holds")


@dataclass(frozen=True)
class Claim:
    """A claim of the notes. `text`, `condition` and `finding` are message ids.

    `tests` are names of tests, in addition to the one that runs `experiment`; those without a
    file are in `tests/server/test_notes.py`.
    """

    number: int
    text: str
    verdict: Verdict
    finding: str
    experiment: Callable[[Laboratory], Awaitable[Observation]]
    condition: str = ""
    links: tuple[str, ...] = ()
    tests: tuple[str, ...] = ()


CLAIMS = (
    Claim(
        1,
        _("HTTP alone cannot do real time: the client asks, the server answers, and that is all."),
        Verdict.CONDITIONAL,
        _(
            "A server sends only responses, so an idle connection stays silent until the client "
            "asks again. But a response may start late (4) or never end (5), which is enough. "
            "The server push of HTTP/2 only filled caches, and browsers have removed it."
        ),
        techniques.idle_connection,
        condition=_("each response ends at once"),
        links=(f"{RFC}rfc6202", "https://developer.chrome.com/blog/removing-push"),
    ),
    Claim(
        2,
        _("Push: the server notifies the client without being asked."),
        Verdict.CONDITIONAL,
        _(
            "The server sends each event by itself, but only into a response or a socket that "
            "the client has opened. It cannot connect to a client behind a firewall."
        ),
        techniques.push,
        condition=_("the client has opened the connection"),
        links=(f"{RFC}rfc6202#section-2",),
    ),
    Claim(
        3,
        _("Polling: the client asks again and again."),
        Verdict.HOLDS,
        _(
            "Most responses are empty, and an event waits for the next request: half an interval "
            "on average."
        ),
        techniques.polling,
        links=(f"{RFC}rfc6202#section-1",),
    ),
    Claim(
        4,
        _("Long polling: the server answers only when there is news."),
        Verdict.CONDITIONAL,
        _(
            "A poll timeout must end each wait with an empty response, before a proxy cuts the "
            "connection. The long-polling example of Channels has another fault: while the "
            "handler of an `AsyncHttpConsumer` waits, it does not notice the client's disconnect."
        ),
        techniques.long_polling,
        condition=_("there is no poll timeout"),
        links=(f"{RFC}rfc6202#section-5.5", "https://github.com/django/channels/issues/1747"),
        tests=("test_a_busy_http_consumer_misses_a_disconnect",),
    ),
    Claim(
        5,
        _("A stream stays open because it has no Content-Length; the client reads until the end."),
        Verdict.CONDITIONAL,
        _(
            "In HTTP/1.0 the end of the connection ends the body. In HTTP/1.1 a body without a "
            "length is sent in chunks: an empty chunk ends it, and the connection can be used "
            "again."
        ),
        techniques.stream,
        condition=_("the response is HTTP/1.0"),
        links=(f"{RFC}rfc9112#section-6.3",),
        tests=(
            "tests/contract/test_http.py::test_stream_is_chunked_in_http_1_1_and_raw_in_http_1_0",
        ),
    ),
    Claim(
        6,
        _("WebSocket: two-way communication, specified with HTML5, on one lasting TCP connection."),
        Verdict.HOLDS,
        _(
            "The protocol is RFC 6455; the browser's API is now a standard of its own. Over "
            "HTTP/2 several sockets can share one TCP connection (RFC 8441)."
        ),
        techniques.web_socket,
        links=(f"{RFC}rfc6455", f"{RFC}rfc8441", "https://websockets.spec.whatwg.org/"),
    ),
    Claim(
        7,
        _(
            "Installing Channels also installs Daphne, the web server that communicates with the "
            "browser."
        ),
        Verdict.OUTDATED,
        _(
            "Since Channels 4, Daphne comes with `pip install channels[daphne]`, and its "
            '`runserver` with `"daphne"` first in `INSTALLED_APPS`. Any ASGI server runs '
            "Channels; this project uses Uvicorn."
        ),
        channels_today.installation,
        links=(f"{CHANNELS}installation.html",),
        tests=("test_channels_does_not_require_daphne",),
    ),
    Claim(
        8,
        _("nginx can be placed in front, but only for HTTP."),
        Verdict.CONDITIONAL,
        _(
            "nginx also forwards WebSocket if it is configured to pass on the fields `Upgrade` "
            "and `Connection`; by default it removes them."
        ),
        techniques.nginx,
        condition=_("nginx does not forward `Upgrade`"),
        links=("https://nginx.org/en/docs/http/websocket.html",),
    ),
    Claim(
        9,
        _(
            "With the setting `CHANNEL_LAYERS`, Channels passes messages between sockets through "
            "Redis."
        ),
        Verdict.CONDITIONAL,
        _(
            "Redis is one of several backends, and is needed once there are several processes. It "
            "keeps a message only until it is read, so it is not a history. The setting in the "
            "notes fails with redis-py 8, which ends a read after 5 s: channels-redis also waits "
            "for 5 s, so an idle socket closes with 1011."
        ),
        channels_today.redis_setting,
        condition=_("the socket timeout is longer than 5 s"),
        links=("https://github.com/django/channels_redis/issues/422",),
    ),
    Claim(
        10,
        _("ASGI allows `async` and `await`, which WSGI does not; Channels is built on ASGI."),
        Verdict.CONDITIONAL,
        _(
            "Django runs an `async def` view under WSGI as well, but each request holds a thread "
            "until it ends. Under ASGI all requests wait in one thread, and WebSocket is "
            "possible."
        ),
        channels_today.awaiting,
        condition=_("many clients wait at the same time"),
        links=("https://docs.djangoproject.com/en/5.2/topics/async/",),
    ),
    Claim(
        11,
        _(
            "`ProtocolTypeRouter` chooses the application for each protocol; for HTTP the default "
            "is Django."
        ),
        Verdict.OUTDATED,
        _(
            'The router has had no default since Channels 3: without `"http": '
            "get_asgi_application()` the first page raises `ValueError`."
        ),
        channels_today.routing,
        links=(f"{CHANNELS}topics/routing.html",),
    ),
    Claim(
        12,
        _("`AuthMiddlewareStack` around a `URLRouter` gives the consumers the user."),
        Verdict.HOLDS,
        _(
            "The stack reads the user once, when the socket opens, so a later log-out does not "
            "close the socket. The stack supports sessions but not tokens, and does not check the "
            "Origin."
        ),
        channels_today.authentication,
        links=(f"{CHANNELS}topics/authentication.html",),
        tests=(
            "test_channels_has_no_token_auth",
            "tests/server/test_access.py::test_connections_end_with_their_permission",
        ),
    ),
    Claim(
        13,
        _(
            "A chat user may write at any moment, so the channel layer receives each message, "
            "like a letterbox."
        ),
        Verdict.CONDITIONAL,
        _(
            "A full letterbox (100 messages) drops further messages to its group, and neither "
            "sender nor receiver is notified. So the events of this project have numbers, and "
            "missing ones are read from the history."
        ),
        channels_today.full_letterbox,
        condition=_("the letterbox is not full"),
        links=(f"{CHANNELS}topics/channel_layers.html",),
        tests=("tests/contract/test_replay.py::test_slow_readers_receive_a_whole_burst",),
    ),
    Claim(
        14,
        _(
            "A `WebsocketConsumer` needs `async_to_sync` for the layer; an "
            "`AsyncWebsocketConsumer`, which awaits, is more efficient."
        ),
        Verdict.HOLDS,
        _(
            "Each message to a synchronous consumer is handed to another thread, which all "
            "synchronous consumers share: if one of them blocks, all wait."
        ),
        channels_today.consumers,
        links=(f"{CHANNELS}topics/consumers.html",),
        tests=("test_synchronous_consumers_share_a_thread",),
    ),
    Claim(
        15,
        _("multichat is a very good example of chat rooms."),
        Verdict.OUTDATED,
        _(
            "Its design can still be studied, but it was written for Channels 2. A module that it "
            "imports no longer exists, and a route needs `ChatConsumer.as_asgi()`."
        ),
        channels_today.multichat,
        links=("https://github.com/andrewgodwin/channels-examples",),
    ),
    Claim(
        16,
        _(
            "A worker passes messages through a channel of its own, which no client sees: "
            '`ChannelNameRouter({"background-tasks": …})` beside `TokenAuthMiddlewareStack`, and '
            "`runworker background-tasks`."
        ),
        Verdict.CONDITIONAL,
        _(
            "With two workers on Redis, Channels runs some tasks twice, and it loses the tasks of "
            "a worker that dies. In this project a task is a row that one worker claims, and its "
            "publish has a key. The code in the notes fails in two places: the router needs "
            "`as_asgi()`, and Channels never had a `TokenAuthMiddlewareStack`. This project has "
            "its own."
        ),
        workers.exactly_once,
        condition=_("a task may run twice"),
        links=(f"{CHANNELS}topics/worker.html",),
        tests=(
            "test_channel_name_router_needs_an_application",
            "tests/server/test_background.py::test_each_effect_happens_once_if_a_worker_is_killed",
        ),
    ),
    Claim(
        17,
        _("A worker can be started from a view."),
        Verdict.CONDITIONAL,
        _(
            "A view sends a task and starts no process. Without a running worker the task waits. "
            "In Channels its message expires after 60 s; in this project its row stays."
        ),
        workers.from_a_view,
        condition=_("a worker process is running already"),
        tests=("tests/server/test_background.py::test_a_worker_survives_a_redis_restart",),
    ),
)
