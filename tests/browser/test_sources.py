"""The browser's sources, in a real Chromium, against a scripted server with faults.

test_page.py tests them with the real server; tests that need no browser, such as those of the
golden streams, are in tests/javascript/.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
import pytest_asyncio
from django.contrib.staticfiles.finders import find
from playwright.async_api import Browser, BrowserContext, Page, Request
from websockets.asyncio.server import ServerConnection, serve

from tests.support.live import LiveServer
from tests.support.waiting import BOUND, until
from transports.registry import BY_NAME

HTTP = ["polling", "longpoll", "streaming", "sse"]


# --- A scripted server -----------------------------------------------------------------------

T = TypeVar("T")


async def arrivals(number: int, arrived: list[T]) -> list[T]:
    """Wait until `number` of them have arrived, and return these."""
    await until(lambda: len(arrived) >= number)
    return arrived[:number]


class Exchange:
    """A request and its connection."""

    def __init__(
        self, head: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        line, *fields = head.decode().split("\r\n")
        self.method = line.split()[0]
        self.path = urlsplit(line.split()[1]).path
        query = parse_qs(urlsplit(line.split()[1]).query)
        self.query = {name: values[0] for name, values in query.items()}
        pairs = (field.partition(": ") for field in fields if field)
        self.headers = {name.lower(): value for name, _, value in pairs}
        self.at = time.monotonic()
        self.reader, self.writer = reader, writer

    async def send(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()

    async def answer(
        self, status: str, content_type: str, body: bytes, *headers: str, end: bool = True
    ) -> None:
        """Send a response and close the connection; without `end`, keep it open."""
        fields = [f"HTTP/1.1 {status}", f"Content-Type: {content_type}", *headers]
        fields += [f"Content-Length: {len(body)}"] if end else []
        fields += ["Connection: close", "", ""]
        await self.send("\r\n".join(fields).encode() + body)
        if end:
            self.writer.close()

    async def until_gone(self) -> None:
        with suppress(ConnectionError):
            assert not await self.reader.read(1)


Script = Callable[[Exchange], Awaitable[None]]
NDJSON = "application/x-ndjson"
EVENT_STREAM = "text/event-stream"


async def hold(exchange: Exchange) -> None:
    await exchange.until_gone()


async def cut(exchange: Exchange) -> None:
    exchange.writer.close()


def response(status: str, content_type: str, body: str = "", *headers: str) -> Script:
    return lambda exchange: exchange.answer(status, content_type, body.encode(), *headers)


def batch_of(cursor: str, *numbers: int) -> Script:
    return response("200 OK", "application/json", batch(cursor, *numbers))


def stream_of(
    data: bytes, content_type: str = NDJSON, *, until: Callable[[], Awaitable[object]] | None = None
) -> Script:
    """Send `data` and hold the stream; with `until`, cut it after that."""

    async def script(exchange: Exchange) -> None:
        await exchange.answer("200 OK", content_type, data, end=False)
        if until is None:
            return await exchange.until_gone()
        await until()
        exchange.writer.close()

    return script


class ScriptedServer:
    """A server of static files, an empty page at `/`, and `scripts` at `/feed/`.

    Each request runs the next script; after the last one, the last again. A HEAD request of
    `/feed/` receives the first cursor, and is in `head_requests`, not in `requests`.
    """

    scripts: Sequence[Script] = (hold,)
    place: str | None = "e-0"  # None: rejected with 404

    def __init__(self) -> None:
        self.requests = list[Exchange]()
        self.head_requests = list[Exchange]()

    async def start(self, port: int = 0) -> None:
        self.server = await asyncio.start_server(self._serve, "127.0.0.1", port)
        self.url = f"http://127.0.0.1:{self.server.sockets[0].getsockname()[1]}"

    async def stop(self) -> None:
        self.server.close()
        for exchange in self.requests:
            exchange.writer.close()
        await self.server.wait_closed()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            exchange = Exchange(await reader.readuntil(b"\r\n\r\n"), reader, writer)
            if exchange.path.startswith("/static/"):
                content = await asyncio.to_thread(static_file, exchange.path)
                await exchange.answer("200 OK", "text/javascript", content)
            elif exchange.path == "/feed/" and exchange.method == "HEAD":
                self.head_requests.append(exchange)
                status = "404 Not Found" if self.place is None else "200 OK"
                cursor = [f"Cursor: {self.place}"] if self.place else []
                await exchange.answer(status, EVENT_STREAM, b"", *cursor)
            elif exchange.path == "/feed/":
                script = self.scripts[min(len(self.requests), len(self.scripts) - 1)]
                self.requests.append(exchange)
                await script(exchange)
            else:
                page = b"<!doctype html><link rel=icon href=data:,><title>empty</title>"
                await exchange.answer("200 OK", "text/html", page)
        except (ConnectionError, asyncio.IncompleteReadError):  # Chromium opens spare connections
            writer.close()


def static_file(path: str) -> bytes:
    file = find(path.removeprefix("/static/"))
    assert isinstance(file, str), path
    return Path(file).read_bytes()


def event(number: int, epoch: str = "e") -> str:
    document = {"id": f"{epoch}-{number}", "type": "message", "room": "r", "sender": "ada"}
    document |= {"text": "hi", "published_at": "1763793600.5"}
    return json.dumps(document)


def batch(cursor: str, *numbers: int) -> str:
    return f'{{"room":"feed","cursor":"{cursor}","events":[{",".join(map(event, numbers))}]}}'


def sse(*numbers: int) -> bytes:
    return "".join(f"id: e-{n}\ndata: {event(n)}\n\n" for n in numbers).encode()


def ndjson(*numbers: int) -> bytes:
    return "".join(f"{event(n)}\n" for n in numbers).encode()


# --- A source in the page --------------------------------------------------------------------

OPEN_SOURCE = """async ({ module, name, url, options }) => {
  const { [name]: Source } = await import(module);
  window.seen = [];
  window.source = new Source(url, options);
  for (const type of ["open", "message", "error"]) {
    source.addEventListener(type, (event) => {
      const { data, lastEventId: id, detail, origin } = event;
      seen.push({ type, data, id, detail, origin, readyState: source.readyState });
      window.onseen?.(event);
    });
  }
}"""


# The page's time advances only by `pass`; `begun` counts the timers.
HOLD_TIME = """() => {
  const waiting = new Map();
  let now = 0;
  window.begun = 0;
  window.setTimeout = (act, delay) => (waiting.set((begun += 1), [now + delay, act]), begun);
  window.clearTimeout = (timer) => waiting.delete(timer);
  window.pass = (delay) => {
    now += delay;
    for (const [timer, [due, act]] of waiting) if (due <= now && waiting.delete(timer)) act();
  };
}"""
CLOSE_AT_ONCE = "void (onseen = ({ lastEventId }) => lastEventId && source.close())"


class PageSource:
    """A source in a page, and the events it has dispatched."""

    def __init__(self, page: Page) -> None:
        self.page = page

    async def open(self, technique: str, url: str = "/feed/", **options: object) -> None:
        module, _, name = BY_NAME[technique].source.partition(":")
        arguments = {"module": f"/static/{module}", "name": name, "url": url, "options": options}
        await self.page.evaluate(OPEN_SOURCE, arguments)

    async def until(self, condition: str) -> list[dict[str, Any]]:
        """Wait for `condition` (in JavaScript, on `seen`); return all events dispatched so far."""
        try:
            async with asyncio.timeout(BOUND):  # by Python's clock: the page's may be held
                while not await self.page.evaluate(condition):  # noqa: ASYNC110
                    await asyncio.sleep(0.01)
        finally:
            self.last = await self.page.evaluate("window.seen")
        return list(self.last)

    async def events(self, kind: str, number: int) -> list[dict[str, Any]]:
        """Wait for `number` events of a type; return all of them."""
        of_type = f"seen.filter(({{ type }}) => type === '{kind}')"
        seen = await self.until(f"{of_type}.length >= {number}")
        return [item for item in seen if item["type"] == kind]

    async def messages(self, number: int) -> list[str]:
        """Wait for `number` messages; return the ids of all messages."""
        return [item["id"] for item in await self.events("message", number)]

    async def errors(self, number: int = 1) -> list[dict[str, Any]]:
        return await self.events("error", number)

    async def since(self) -> str:
        return str(await self.page.evaluate("source.since"))

    async def hold_time(self) -> None:
        """Stop the page's timers, which then advance only by `pass_time`."""
        await self.page.evaluate(HOLD_TIME)

    async def pass_time(self, milliseconds: int) -> None:
        await self.page.evaluate(f"pass({milliseconds})")


@pytest_asyncio.fixture(loop_scope="session")
async def server() -> AsyncIterator[ScriptedServer]:
    scripted = ScriptedServer()
    await scripted.start()
    yield scripted
    await scripted.stop()


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def page(browser: Browser) -> AsyncIterator[Page]:
    page = await browser.new_page()
    # Almost no jitter: back-off waits a hundredth of its ceiling.
    await page.add_init_script("Math.random = () => 0.01")
    yield page
    await page.close()


@pytest_asyncio.fixture(loop_scope="session")
async def source(page: Page, server: ScriptedServer) -> PageSource:
    await page.goto(server.url)  # ends the sources of the previous test
    return PageSource(page)


# --- Batches ---------------------------------------------------------------------------------


async def test_polling_interval_starts_at_the_response(
    source: PageSource, server: ScriptedServer
) -> None:
    response_times: list[float] = []

    async def answer_late(exchange: Exchange) -> None:
        await asyncio.sleep(0.2)
        response_times.append(time.monotonic())
        await batch_of("e-0")(exchange)

    server.scripts = [answer_late]
    await source.open("polling", interval=150)
    _, second, third = await arrivals(3, server.requests)
    assert second.at - response_times[0] >= 0.149
    assert third.at - response_times[1] >= 0.149


async def test_polling_can_start_in_another_phase(
    source: PageSource, server: ScriptedServer
) -> None:
    server.scripts = [batch_of("e-0")]
    started = time.monotonic()
    await source.open("polling", interval=500, phase=0.5)
    (first,) = await arrivals(1, server.requests)
    assert first.at - started >= 0.249


async def test_only_the_first_long_poll_returns_at_once(
    source: PageSource, server: ScriptedServer
) -> None:
    server.scripts = [batch_of("e-0"), hold]
    await source.open("longpoll")
    await source.events("open", 1)
    first, second = await arrivals(2, server.requests)
    assert first.query == {"wait": "0"}
    assert second.query == {"since": "e-0", "wait": "25"}


async def test_equal_long_polls_run_concurrently(
    source: PageSource, server: ScriptedServer
) -> None:
    await source.open("longpoll", since="e-1")
    await source.open("longpoll", since="e-1")
    first, second = await arrivals(2, server.requests)
    assert first.query == second.query


# --- Streams ---------------------------------------------------------------------------------


async def test_a_blank_line_is_a_heartbeat_and_no_event(
    source: PageSource, server: ScriptedServer
) -> None:
    async def send_heartbeats(exchange: Exchange) -> None:
        await exchange.answer("200 OK", NDJSON, b"\n", end=False)
        for lines in range(1, 5):
            # One timer for the request, one for each line.
            await source.until(f"begun === 1 + {lines}")
            await source.pass_time(400)  # of 600 ms of allowed silence
            await exchange.send(b"\n")
        await exchange.send(ndjson(1))
        await exchange.until_gone()

    server.scripts = [send_heartbeats]
    await source.hold_time()
    await source.open("streaming", heartbeat=200)
    assert await source.messages(1) == ["e-1"]
    assert [item["type"] for item in source.last] == ["open", "message"]
    assert len(server.requests) == 1


async def test_a_silent_stream_is_reopened(source: PageSource, server: ScriptedServer) -> None:
    server.scripts = [stream_of(ndjson(1)), stream_of(ndjson(2))]
    await source.hold_time()
    await source.open("streaming", heartbeat=40)
    await source.messages(1)
    await source.pass_time(119)
    assert source.last == await source.until("true")
    await source.pass_time(1)
    (error,) = await source.errors()
    assert error["detail"]["code"] == "silent"
    await source.pass_time(1_000)  # the back-off
    assert await source.messages(2) == ["e-1", "e-2"]
    assert [item["type"] for item in source.last] == ["open", "message", "error", "open", "message"]
    assert server.requests[1].query == {"since": "e-1"}


async def test_event_source_resumes_by_last_event_id(
    source: PageSource, server: ScriptedServer
) -> None:
    first = b"retry: 10\n\n: hello\n\n" + sse(1)
    server.scripts = [
        stream_of(first, EVENT_STREAM, until=lambda: source.messages(1)),
        stream_of(sse(2), EVENT_STREAM),
    ]
    await source.open("sse", since="e-0")
    assert await source.messages(2) == ["e-1", "e-2"]
    assert server.requests[1].headers["last-event-id"] == "e-1"
    (error,) = await source.errors()
    assert (error["readyState"], error["detail"]["retryIn"]) == (0, None)


@pytest.mark.parametrize(
    ("status", "content_type"),
    [
        ("204 No Content", "text/plain"),
        ("500 Internal Server Error", "text/plain"),
        ("503 Service Unavailable", "application/problem+json"),
        ("200 OK", "text/html"),
    ],
)
async def test_a_stream_closed_by_event_source_is_reopened(
    status: str, content_type: str, source: PageSource, server: ScriptedServer
) -> None:
    server.scripts = [
        stream_of(b"retry: 10\n\n" + sse(1), EVENT_STREAM, until=lambda: source.messages(1)),
        *[response(status, content_type)] * 2,  # to the browser, and to the request for the reason
        stream_of(sse(2), EVENT_STREAM),
    ]
    await source.open("sse")
    assert await source.messages(2) == ["e-1", "e-2"]
    assert server.requests[3].query == {"since": "e-1"}
    assert len(server.head_requests) == 1  # later it has a cursor
    errors = await source.errors(2)
    assert {error["readyState"] for error in errors} == {0}
    if not status.startswith("200"):
        assert errors[-1]["detail"]["status"] == int(status[:3])


async def test_sse_cut_before_the_first_event_resumes(
    source: PageSource, server: ScriptedServer
) -> None:
    """`EventSource` does not expose an `id:` without data, and loses it when it closes."""

    async def silence() -> None:
        await source.events("open", 1)
        await source.pass_time(1_000)  # which alone does not close it

    server.scripts = [
        stream_of(b"retry: 10\nid: e-0\n\n", EVENT_STREAM, until=silence),
        *[response("503 Service Unavailable", "text/plain")] * 2,  # as above
        stream_of(sse(1), EVENT_STREAM),
    ]
    await source.hold_time()
    await source.open("sse", heartbeat=40)
    lost, *_ = await source.errors(2)
    assert lost["detail"]["code"] == "lost"
    await source.pass_time(1_000)  # the back-off
    assert await source.messages(1) == ["e-1"]
    native, retried, _reason, reopened = server.requests
    assert (native.query, reopened.query) == ({"since": "e-0"}, {"since": "e-0"})
    assert retried.headers["last-event-id"] == "e-0"
    # While timers are held the source sends one HEAD request: it would send another after 120 ms of
    # silence. The browser itself may repeat idempotent requests (RFC 9110 §9.2.2).
    assert {len(exchange.query) for exchange in server.head_requests} == {0}


# --- Failures --------------------------------------------------------------------------------


@pytest.mark.parametrize(("technique", "place"), [*((name, "e-0") for name in HTTP), ("sse", None)])
async def test_rejection_is_final_and_has_a_reason(
    technique: str, place: str | None, source: PageSource, server: ScriptedServer
) -> None:
    problem = '{"status": 403, "detail": "Because it is so."}'
    server.scripts = [response("403 Forbidden", "application/problem+json", problem)]
    server.place = place
    await source.open(technique)
    (error,) = await source.errors()
    assert error["readyState"] == 2
    assert error["detail"] == {
        "code": "refused",
        "reason": "Because it is so.",
        "status": 403,
        "retryIn": None,
    }
    requests = len(server.requests)
    await source.page.wait_for_timeout(200)  # longer than any back-off in this test
    assert len(server.requests) == requests


@pytest.mark.parametrize("technique", HTTP)
async def test_retry_after_is_respected(
    technique: str, source: PageSource, server: ScriptedServer
) -> None:
    busy = response("503 Busy", "text/plain", "", "Retry-After: 1")
    # The browser's own attempt, and the request for the reason.
    rejections = [busy, busy] if technique == "sse" else [busy]
    server.scripts = [*rejections, hold]
    await source.open(technique)
    (error,) = await source.errors()
    assert error["detail"]["retryIn"] >= 1000
    *_, rejected, retried = await arrivals(len(rejections) + 1, server.requests)
    assert retried.at - rejected.at >= 0.999


@pytest.mark.parametrize("technique", ["polling", "longpoll", "streaming"])
async def test_back_off_doubles_up_to_a_limit_and_resets(
    technique: str, source: PageSource, server: ScriptedServer
) -> None:
    a_line = stream_of(b"\n", until=lambda: asyncio.sleep(0))
    server.scripts = [*[cut] * 6, a_line if technique == "streaming" else batch_of("e-0"), cut]
    await source.open(technique, interval=1)
    errors = await source.errors(8)
    delays = [round(error["detail"]["retryIn"]) for error in errors]
    # Full jitter: a hundredth of the ceilings, as the fixture sets `Math.random`.
    assert delays[:8] == [5, 10, 20, 20, 20, 20, 5, 10]


@pytest.mark.parametrize(
    ("technique", "script"),
    [
        ("polling", hold),
        ("longpoll", hold),
        ("streaming", stream_of(ndjson(1))),
        ("sse", stream_of(sse(1), EVENT_STREAM)),
    ],
)
async def test_no_event_is_dispatched_after_close(
    technique: str, script: Script, source: PageSource, server: ScriptedServer
) -> None:
    closed = asyncio.Event()

    async def watched(exchange: Exchange) -> None:
        await script(exchange)
        closed.set()

    server.scripts = [watched]
    await source.open(technique)
    await arrivals(1, server.requests)
    if script is not hold:
        await source.messages(1)
    before = await source.page.evaluate("source.close(), seen.length")
    await asyncio.wait_for(closed.wait(), BOUND)  # aborted: the server receives the disconnect
    await source.page.wait_for_timeout(100)
    assert await source.page.evaluate("seen.length") == before
    assert await source.page.evaluate("source.readyState") == 2
    assert len(server.requests) == 1


# --- WebSocket -------------------------------------------------------------------------------


class Sockets:
    """A WebSocket handler that lists its connections."""

    url: str

    def __init__(self) -> None:
        self.connections = list[ServerConnection]()

    async def __call__(self, connection: ServerConnection) -> None:
        self.connections.append(connection)
        await connection.wait_closed()

    async def connection(self, number: int) -> ServerConnection:
        return (await arrivals(number, self.connections))[-1]


@pytest_asyncio.fixture(loop_scope="session")
async def sockets() -> AsyncIterator[Sockets]:
    handler = Sockets()
    async with serve(handler, "127.0.0.1", 0) as server:
        (listener, *_) = server.sockets
        handler.url = f"ws://127.0.0.1:{listener.getsockname()[1]}/websocket/feed/"
        yield handler


async def test_a_socket_that_restarts_resumes_every_room(
    source: PageSource, sockets: Sockets
) -> None:
    await source.open("websocket", sockets.url, since="e-0")
    first = await sockets.connection(1)
    await first.send(batch("e-2", 1, 2))
    assert await source.messages(2) == ["e-1", "e-2"]
    await source.page.evaluate("source.join('other', 'o-4')")
    assert json.loads(await first.recv()) == {"type": "join", "room": "other", "since": "o-4"}
    await first.send(f'{{"room":"other","cursor":"o-6","events":[{event(6, "o")}]}}')
    await first.close(1012)

    second = await sockets.connection(2)
    assert second.request is not None
    assert second.request.path == "/websocket/feed/?since=e-2"
    assert json.loads(await second.recv()) == {"type": "join", "room": "other", "since": "o-6"}
    await second.send(batch("e-3", 3))
    assert await source.messages(4) == ["e-1", "e-2", "o-6", "e-3"]
    assert await source.since() == "e-3"
    (error,) = await source.errors()
    assert error["detail"]["status"] == 1012
    assert error["detail"]["retryIn"] <= 5

    await source.page.evaluate("source.leave('other')")
    assert json.loads(await second.recv()) == {"type": "leave", "room": "other"}
    await second.close(1001)
    third = await sockets.connection(3)
    await third.send(batch("e-4", 4))
    await source.messages(5)
    with pytest.raises(TimeoutError):  # a room that was left is not rejoined
        await asyncio.wait_for(third.recv(), 0.1)


async def test_a_room_left_by_a_listener_is_not_rejoined(
    source: PageSource, sockets: Sockets
) -> None:
    await source.page.evaluate("void (onseen = ({ data }) => data && source.leave('other'))")
    await source.open("websocket", sockets.url)
    first = await sockets.connection(1)
    await source.until("seen.length")
    await source.page.evaluate("source.join('other')")
    events = ",".join(event(number, "o") for number in (1, 2, 3))
    await first.send(f'{{"room":"other","cursor":"o-3","events":[{events}]}}')
    await first.send(f'{{"room":"other","cursor":"o-4","events":[{event(4, "o")}]}}')
    await first.send(batch("e-1", 1))
    assert await source.messages(2) == ["o-1", "e-1"]
    await first.close(1012)
    second = await sockets.connection(2)
    await source.page.evaluate("source.join('next')")
    await source.events("open", 2)
    assert json.loads(await second.recv()) == {"type": "join", "room": "next"}


async def test_socket_reports_a_rejection_and_stays_open(
    source: PageSource, sockets: Sockets
) -> None:
    await source.open("websocket", sockets.url)
    connection = await sockets.connection(1)
    await source.events("open", 1)
    await source.page.evaluate("source.publish('feed', 'hi 👋', 'ada')")
    published = {"type": "publish", "room": "feed", "text": "hi 👋", "sender": "ada"}
    assert json.loads(await connection.recv()) == published
    await connection.send('{"type":"error","code":"text","detail":"Too long."}')
    (error,) = await source.errors()
    assert error["readyState"] == 1
    assert error["detail"]["reason"] == "Too long."


async def test_publishing_without_a_connection_is_an_error(source: PageSource) -> None:
    await source.open("websocket", "ws://127.0.0.1:9/websocket/feed/")
    name = await source.page.evaluate(
        "(() => { try { source.publish('r', 'x') } catch (error) { return error.name } })()"
    )
    assert name == "InvalidStateError"


@pytest.mark.parametrize(("code", "state"), [(4404, 2), (4403, 2), (1008, 2), (4503, 0), (1011, 0)])
async def test_close_code_decides_about_reconnecting(
    code: int, state: int, source: PageSource, sockets: Sockets
) -> None:
    await source.open("websocket", sockets.url)
    await (await sockets.connection(1)).close(code, "Because.")
    (error, *_) = await source.errors()
    assert error["readyState"] == state
    assert (error["detail"]["status"], error["detail"]["reason"]) == (code, "Because.")
    if state == 0:
        await sockets.connection(2)


async def test_a_silent_socket_is_reopened(source: PageSource, sockets: Sockets) -> None:
    await source.hold_time()
    await source.open("websocket", sockets.url, heartbeat=50)
    first = await sockets.connection(1)
    for _ in range(4):
        timers = await source.page.evaluate("begun")
        await first.send(batch("e-9"))  # empty batches are heartbeats
        await source.until(f"begun > {timers}")
        await source.pass_time(100)  # of 150 ms of allowed silence
    assert len(sockets.connections) == 1
    await source.pass_time(150)
    (error,) = await source.errors()
    assert error["detail"]["code"] == "silent"
    await source.pass_time(1_000)  # the back-off
    second = await sockets.connection(2)
    assert second.request is not None
    assert second.request.path.endswith("?since=e-9")


async def test_a_closed_socket_dispatches_no_event(source: PageSource, sockets: Sockets) -> None:
    await source.page.evaluate(CLOSE_AT_ONCE)
    await source.open("websocket", sockets.url)
    connection = await sockets.connection(1)
    await connection.send(batch("e-3", 1, 2, 3))
    await connection.send(batch("e-4", 4))
    await asyncio.wait_for(connection.wait_closed(), BOUND)
    assert await source.messages(1) == ["e-1"]
    assert await source.since() == "e-1"


CROSS_ORIGIN = """async ({ module, name, url, room, credentials }) => {
  const { [name]: Source } = await import(`/static/${module}`);
  const source = new Source(url + room.path, { credentials, since: "gone-1", interval: 50 });
  const received = new Promise((done) =>
    source.addEventListener("message", ({ data }) => {
      const { type, text } = JSON.parse(data);
      if (type === "message") done(text);
    }),
  );
  const response = await fetch(`${url}/publish/${room.name}/`, {
    method: "POST",
    headers: { "Content-Type": "application/json", "Idempotency-Key": `"${room.name}"` },
    body: JSON.stringify({ sender: "ada", text: "from elsewhere" }),
    credentials,
  });
  const { id } = await response.json();
  const text = await received;
  source.close();
  const stream = await fetch(`${url}/streaming/${room.name}/`, { credentials });
  await stream.body.cancel();
  return { text, isEvent: id.endsWith("-1"), start: stream.headers.get("Cursor") };
}"""


@pytest_asyncio.fixture(loop_scope="session")
async def page_of_second_origin(context: BrowserContext, second_origin: str) -> AsyncIterator[Page]:
    elsewhere = ScriptedServer()
    await elsewhere.start(urlsplit(second_origin).port or 0)
    page = await context.new_page()
    await page.goto(elsewhere.url)
    yield page
    await page.close()
    await elsewhere.stop()


def is_get_or_post_of(address: str) -> Callable[[Request], bool]:
    """Return whether a request is for `address`, and no preflight or HEAD."""
    return lambda request: request.url.startswith(address) and request.method in ("GET", "POST")


@pytest.mark.parametrize(
    ("name", "credentials"),
    [*((name, "include") for name in [*HTTP, "websocket"]), ("longpoll", "omit"), ("sse", "omit")],
)
async def test_page_of_an_allowed_origin_receives_and_publishes(
    context: BrowserContext,
    memory_live_server: LiveServer,
    page_of_second_origin: Page,
    room: str,
    name: str,
    credentials: str,
) -> None:
    """`ALLOWED_ORIGINS` has the origin of this page, which is not the server's."""
    server, page = memory_live_server, page_of_second_origin
    await context.add_cookies([{"name": "taste", "value": "oats", "url": server.url}])
    technique = BY_NAME[name]
    module, _, source = technique.source.partition(":")
    path = "/streaming/" if name == "websocket" else technique.url_path(room)
    async with (
        asyncio.timeout(BOUND),
        page.expect_request(is_get_or_post_of(f"{server.url}/publish/")) as publishing,
        page.expect_request(is_get_or_post_of(server.url + path)) as subscribing,
    ):
        result = await page.evaluate(
            CROSS_ORIGIN,
            {
                "module": module,
                "name": source,
                "url": server.url,
                "room": {"name": room, "path": technique.url_path(room)},
                "credentials": credentials,
            },
        )
    assert (result["text"], result["isEvent"]) == ("from elsewhere", True)
    assert result["start"].endswith("-0")
    for request in (await publishing.value, await subscribing.value):
        cookies = (await request.all_headers()).get("cookie", "")
        assert ("taste" in cookies) == (credentials == "include")


async def test_page_of_another_origin_neither_reads_nor_publishes(
    context: BrowserContext, memory_live_server: LiveServer, room: str
) -> None:
    server = memory_live_server
    page = await context.new_page()
    await page.goto(f"http://localhost:{server.port}/polling/{room}/")
    script = """async ([url, options]) => fetch(url, options).then(() => "read", () => "blocked")"""
    post = {
        "method": "POST",
        "headers": {"Content-Type": "application/json"},
        "body": '{"sender": "eve", "text": "hi"}',
    }
    for path, options in ((f"/polling/{room}/", {}), (f"/publish/{room}/", post)):
        assert await page.evaluate(script, [server.url + path, options]) == "blocked"
    async with httpx.AsyncClient(base_url=server.url) as http:
        assert (await http.get(f"/polling/{room}/")).json()["events"] == []
