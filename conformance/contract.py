"""This project's own wire contract (`docs/contract.md`): events, cursors and problems."""

from __future__ import annotations

import asyncio
import json
import re
import secrets
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any
from urllib.parse import quote

from . import sse
from .case import Cases, Failed
from .probe import Probe
from .raw import Response, TimedOut
from .websocket import BINARY, FIN, TEXT, frame, handshake, open_socket

CASES = Cases("ours")
case = CASES.case
each = CASES.each

Event = dict[str, Any]
JSON = "Content-Type: application/json"
PATHS = {
    "polling": "/polling/{room}/",
    "longpoll": "/longpoll/{room}/",
    "streaming": "/streaming/{room}/",
    "sse": "/streaming/{room}/sse/",
    "websocket": "/websocket/{room}/",
}
TECHNIQUES = tuple(PATHS)
OVER_HTTP = ("polling", "longpoll", "streaming", "sse")
# Line ends of every kind, quotes, a field of an event stream, and characters of four bytes.
TEXT_OF_ALL_KINDS = (
    'line\nfeed, carriage\rreturn\r\n\ndata: x\n\n\u2028 \u2029 \x85 "quotes" \\ 안녕 👩‍👩‍👧‍👦'
)
COUNT = 5  # events that a case publishes


def fresh_room() -> str:
    return f"conform-{secrets.token_hex(6)}"


def target(probe: Probe, technique: str, room: str, **query: str) -> str:
    """Return the request target of `technique` in `room`."""
    pairs = [f"{name}={quote(value)}" for name, value in query.items()]
    path = probe.targets["ours"] + PATHS[technique].format(room=room)
    return path + (f"?{'&'.join(pairs)}" if pairs else "")


async def post(probe: Probe, room: str, body: bytes, *fields: str) -> Response:
    """Send a body to publish, as JSON unless `fields` has another Content-Type."""
    kind = () if any(field.lower().startswith("content-type:") for field in fields) else (JSON,)
    data = probe.request(
        *kind,
        f"Content-Length: {len(body)}",
        *fields,
        method="POST",
        target=f"{probe.targets['ours']}/publish/{room}/",
        body=body,
    )
    return await probe.exchange(data)


async def publish(probe: Probe, room: str, *texts: str) -> list[Event]:
    """Publish the texts one after another; return the events of the responses."""
    events = []
    for text in texts:
        body = json.dumps({"sender": "conformance", "text": text}).encode()
        response = await post(probe, room, body)
        if response.status != 201:
            raise Failed("a publish was answered {status}, not 201", status=response.status)
        events.append(parsed(response.body))
    return events


async def seed(probe: Probe) -> None:
    """Publish into the probe's room, so that the cases of the streams have events to check."""
    await publish(probe, probe.room, "first", TEXT_OF_ALL_KINDS, "last")


def parsed(body: bytes | str) -> Event:
    try:
        document = json.loads(body)
    except ValueError as error:
        raise Failed("expected JSON; got {body!r}", body=body[:60]) from error
    if not isinstance(document, dict):
        raise Failed("expected a JSON object; got {body!r}", body=body[:60])
    return document


def events_in(batch: Event) -> list[Event]:
    events = batch.get("events")
    if not isinstance(events, list) or not all(isinstance(event, dict) for event in events):
        raise Failed("expected a batch with events; got {batch}", batch=str(batch)[:60])
    return events


class Reader:
    """A client of one technique, from the cursor `since`, in `room`."""

    def __init__(self, probe: Probe, technique: str, room: str, since: str | None) -> None:
        self.probe = probe
        self.technique = technique
        self.room = room
        self.since = since
        self.raw = b""  # the body so far; on a WebSocket, the last message
        self.connected = asyncio.Event()

    async def read(self, count: int) -> list[Event]:
        """Return the first `count` events; raises `Failed` if fewer arrive in time."""
        received: list[Event] = []
        try:
            async with aclosing(self.events()) as events:
                async for event in events:
                    received.append(event)
                    if len(received) == count:
                        return received
        except TimedOut:
            pass
        raise Failed(
            "events expected: {count}; got {received}", count=count, received=len(received)
        )

    async def events(self) -> AsyncGenerator[Event, None]:
        query = {} if self.since is None else {"since": self.since}
        if self.technique == "longpoll":
            query["wait"] = f"{self.probe.timeout / 2:g}"
        path = target(self.probe, self.technique, self.room, **query)
        if self.technique == "websocket":
            async with open_socket(self.probe, target=path) as socket:
                self.connected.set()
                while True:
                    self.raw = (await socket.next(TEXT)).payload
                    for event in events_in(parsed(self.raw)):
                        yield event
        async with self.probe.connect() as connection:
            await connection.send(self.request(path))
            if self.technique == "longpoll":
                self.connected.set()  # before the response, which comes only with an event
            response = await connection.response(body=False)
            self.connected.set()
            response.expect(200)
            yielded = 0
            async for data in connection.pieces(response):
                self.raw += data
                events = self.framed()
                for event in events[yielded:]:
                    yield event
                yielded = len(events)

    def request(self, path: str) -> bytes:
        if self.technique == "sse" and self.since is not None:
            return self.probe.request(f"Last-Event-ID: {self.since}", target=path)
        return self.probe.request(target=path)

    def framed(self) -> list[Event]:
        """Return the complete events of the response so far."""
        if self.technique in ("polling", "longpoll"):
            return events_in(parsed(self.raw))
        if self.technique == "sse":
            blocks = sse.blocks_of(self.raw)
            datas = ["\n".join(v for name, v in block if name == "data") for block in blocks]
            return [parsed(data) for data in datas if data]
        return [parsed(line) for line in self.raw.split(b"\n")[:-1] if line.strip()]


def check_same(received: list[Event], published: list[Event]) -> None:
    """Check that the events are those that were published, in order."""
    if received != published:
        ids = [event.get("id") for event in received]
        raise Failed(
            "expected {expected}; got {ids}",
            expected=[event.get("id") for event in published],
            ids=ids,
        )


def check_problem(response: Response, *statuses: int) -> Event:
    """Check that the response is problem+json (RFC 9457) with one of the statuses."""
    response.expect(*statuses)
    if response.media_type != "application/problem+json":
        raise Failed(
            "expected application/problem+json; got {media_type!r}", media_type=response.media_type
        )
    problem = parsed(response.body)
    if problem.get("status") != response.status or not problem.get("title"):
        raise Failed("expected status and title; got {body!r}", body=response.body[:80])
    return problem


# Replay and resume, in each technique


@each("contract/replay/", TECHNIQUES, publishes=True)
async def _replay(probe: Probe, technique: str) -> None:
    room = fresh_room()
    published = await publish(probe, room, *map(str, range(COUNT)))
    check_same(await Reader(probe, technique, room, None).read(COUNT), published)


@each("contract/every-cut/", TECHNIQUES, publishes=True)
async def _every_cut(probe: Probe, technique: str) -> None:
    room = fresh_room()
    published = await publish(probe, room, *map(str, range(COUNT)))
    for cut in range(COUNT - 1):
        rest = published[cut + 1 :]
        reader = Reader(probe, technique, room, str(published[cut]["id"]))
        check_same(await reader.read(len(rest)), rest)


async def _resets(probe: Probe, technique: str, room: str, since: str, then: list[Event]) -> None:
    """Check that a client with the cursor `since` receives a reset, then these events."""
    reset, *rest = await Reader(probe, technique, room, since).read(1 + len(then))
    if reset.get("type") != "reset" or reset.get("missed", 0) is not None:
        raise Failed("expected a reset with missed: null; got {event}", event=str(reset)[:80])
    check_same(rest, then)


@each("contract/foreign-epoch/", TECHNIQUES, publishes=True)
async def _foreign_epoch(probe: Probe, technique: str) -> None:
    room = fresh_room()
    await _resets(probe, technique, room, "gone-7", await publish(probe, room, "a", "b"))


@each("contract/ahead-of-the-room/", TECHNIQUES, publishes=True)
async def _ahead(probe: Probe, technique: str) -> None:
    room = fresh_room()
    published = await publish(probe, room, "a")
    epoch, _, sequence = str(published[0]["id"]).rpartition("-")
    await _resets(probe, technique, room, f"{epoch}-{int(sequence) + 5}", published)


@each("contract/live/", TECHNIQUES, publishes=True)
async def _live(probe: Probe, technique: str) -> None:
    room = fresh_room()
    (first,) = await publish(probe, room, "first")
    reader = Reader(probe, technique, room, str(first["id"]))
    if technique == "polling":  # receives it with its next request
        published = await publish(probe, room, "live")
        check_same(await reader.read(1), published)
        return
    reading = asyncio.create_task(reader.read(1))
    connecting = asyncio.create_task(reader.connected.wait())
    try:
        await asyncio.wait({reading, connecting}, return_when=asyncio.FIRST_COMPLETED)
        check_same(*await asyncio.gather(reading, publish(probe, room, "live")))
    finally:
        reading.cancel()
        connecting.cancel()


@each("contract/text/", TECHNIQUES, publishes=True)
async def _text(probe: Probe, technique: str) -> None:
    room = fresh_room()
    published = await publish(probe, room, TEXT_OF_ALL_KINDS)
    (received,) = await Reader(probe, technique, room, None).read(1)
    if received.get("text") != TEXT_OF_ALL_KINDS:
        raise Failed("the text arrived as {text!r}", text=received.get("text"))
    check_same([received], published)


@each("contract/rooms/", TECHNIQUES, publishes=True)
async def _rooms(probe: Probe, technique: str) -> None:
    room = fresh_room()
    published = []
    for number in range(3):
        published += await publish(probe, room, f"here {number}")
        await publish(probe, f"{room}-other", f"there {number}")
    check_same(await Reader(probe, technique, room, None).read(3), published)


SEPARATORS = {"u-2028": "\u2028", "u-2029": "\u2029", "u-0085": "\x85"}


@each(
    "contract/escaping/",
    {
        f"{name}-{technique}": (character, technique)
        for name, character in SEPARATORS.items()
        for technique in OVER_HTTP
    },
    publishes=True,
)
async def _escaped(probe: Probe, character: str, technique: str) -> None:
    room = fresh_room()
    await publish(probe, room, f"before{character}after")
    reader = Reader(probe, technique, room, None)
    await reader.read(1)
    if character.encode() in reader.raw:
        raise Failed("U+{code:04X} is sent unescaped", code=ord(character))


# Requests that are rejected

INVALID_CURSOR = {"since": "not a cursor"}
WAITS = {"word": "soon", "negative": "-1", "nan": "nan", "underscore": "1_0"}


@each("contract/problems/room-", {name: (name, {}, 404, "INVALID") for name in OVER_HTTP})
@each(
    "contract/problems/cursor-",
    {name: (name, INVALID_CURSOR) for name in ("polling", "longpoll", "streaming")},
)
@each(
    "contract/problems/wait-",
    {name: ("longpoll", {"wait": wait}) for name, wait in WAITS.items()},
)
async def _get(
    probe: Probe,
    technique: str,
    query: dict[str, str],
    status: int = 400,
    room: str = "conformance",
) -> None:
    path = target(probe, technique, room, **query)
    response = await probe.exchange(probe.request(target=path))
    check_problem(response, status)


@each(
    "contract/problems/",
    {
        "room-websocket": ("INVALID", 4404, {}),
        "cursor-websocket": ("conformance", 4400, INVALID_CURSOR),
    },
)
async def _close_code(probe: Probe, room: str, code: int, query: dict[str, str]) -> None:
    async with open_socket(probe, target=target(probe, "websocket", room, **query)) as socket:
        answer = await socket.close_frame()
    if answer is None or answer.code != code:
        got = answer.code if answer else None
        raise Failed("expected close code {code}; got {got}", code=code, got=got)


@case("contract/foreign-last-event-id/sse", publishes=True)
async def foreign_last_event_id(probe: Probe) -> None:
    room = fresh_room()
    await _resets(probe, "sse", room, "not a cursor", await publish(probe, room, "a"))


@each("contract/problems/method-", OVER_HTTP)
async def _method(probe: Probe, technique: str) -> None:
    path = target(probe, technique, "conformance")
    data = probe.request("Content-Length: 0", method="DELETE", target=path)
    response = await probe.exchange(data)
    check_problem(response, 405)
    if not response.all("allow"):
        raise Failed("a 405 without Allow")


@each(
    "contract/near-miss/",
    {name: PATHS[name].format(room="conformance").rstrip("/") for name in OVER_HTTP},
)
async def _near_miss(probe: Probe, path: str) -> None:
    response = await probe.exchange(probe.request(target=probe.targets["ours"] + path))
    problem = check_problem(response, 404)
    if f"{path}/" not in str(problem.get("detail")):
        raise Failed(
            "expected {path}/ in the detail; got {detail!r}",
            path=path,
            detail=str(problem.get("detail"))[:80],
        )


# Long polling


@case("contract/wait/zero")
async def wait_zero(probe: Probe) -> None:
    path = target(probe, "longpoll", fresh_room(), wait="0")
    response = await probe.exchange(probe.request(target=path))
    if response.status != 200 or events_in(parsed(response.body)):
        raise Failed("expected 200 and an empty batch; got {status}", status=response.status)


@case("contract/wait/holds")
async def wait_holds(probe: Probe) -> None:
    loop = asyncio.get_running_loop()
    path = target(probe, "longpoll", fresh_room(), wait="0.5")
    began = loop.time()
    await probe.exchange(probe.request(target=path))
    if loop.time() - began < 0.4:
        raise Failed("answered after {seconds:.2f} s without an event", seconds=loop.time() - began)


@case("contract/wait/two-polls", publishes=True)
async def two_polls(probe: Probe) -> None:
    room = fresh_room()
    (first,) = await publish(probe, room, "first")
    readers = [Reader(probe, "longpoll", room, str(first["id"])) for _ in range(2)]
    polls = [asyncio.create_task(reader.read(1)) for reader in readers]
    try:
        published = await publish(probe, room, "second")
        for received in await asyncio.gather(*polls):
            check_same(received, published)
    finally:
        for poll in polls:
            poll.cancel()


@case("contract/wait/event-between-polls", publishes=True)
async def event_between_polls(probe: Probe) -> None:
    room = fresh_room()
    (first, second) = await publish(probe, room, "first", "second")
    check_same(await Reader(probe, "longpoll", room, str(first["id"])).read(1), [second])
    third = await publish(probe, room, "between")
    check_same(await Reader(probe, "longpoll", room, str(second["id"])).read(1), third)


# Publishing


@case("contract/publish/event", publishes=True)
async def event(probe: Probe) -> None:
    room = fresh_room()
    first, second = await publish(probe, room, "one", "two")
    expected = {"type": "message", "room": room, "sender": "conformance", "text": "one"}
    for name, value in expected.items():
        if first.get(name) != value:
            raise Failed(
                "expected {name}: {value!r}; got {got!r}",
                name=name,
                value=value,
                got=first.get(name),
            )
    if not isinstance(first.get("published_at"), (int, float)):
        raise Failed(
            "expected published_at in seconds; got {value!r}", value=first.get("published_at")
        )
    cursors = [
        re.fullmatch(r"([a-z0-9]+)-([0-9]+)", str(each.get("id"))) for each in (first, second)
    ]
    if not all(cursors) or [cursor and cursor[2] for cursor in cursors] != ["1", "2"]:
        raise Failed(
            "expected ids that count 1, 2; got {first}, {second}",
            first=first.get("id"),
            second=second.get("id"),
        )


GOOD = b'{"sender": "conformance", "text": "%s"}'


@each(
    "contract/publish/",
    {
        "empty": b"",
        "not-json": b"{",
        "array": b"[1, 2]",
        "null": b"null",
        "single-quotes": b"{'sender': 'conformance', 'text': 'x'}",
        "trailing-data": GOOD % b"x" + b"}",
        "latin-1": GOOD % "é".encode("latin-1"),
        "utf-16": (GOOD % b"x").decode().encode("utf-16"),
        "utf-32": (GOOD % b"x").decode().encode("utf-32"),
        "nan": b'{"sender": "conformance", "text": "x", "number": NaN}',
        "infinity": b'{"sender": "conformance", "text": "x", "number": Infinity}',
        "member-twice": b'{"sender": "conformance", "text": "x", "text": "y"}',
        "lone-surrogate": GOOD % b"\\ud800",
        "without-text": b'{"sender": "conformance"}',
        "text-not-a-string": b'{"sender": "conformance", "text": 7}',
        "nested-too-deep": b"[" * 30_000,
        "type-form": (GOOD % b"x", 415, "Content-Type: application/x-www-form-urlencoded"),
        "type-plain-text": (GOOD % b"x", 415, "Content-Type: text/plain"),
        "type-other-charset": (GOOD % b"x", 415, "Content-Type: application/json; charset=euc-kr"),
        "too-large": (GOOD % (b"x" * 70_000), 413),
        "foreign-origin": (GOOD % b"x", 403, "Origin: https://other.invalid"),
    },
    publishes=True,
)
async def _rejected(probe: Probe, body: bytes, status: int = 400, *fields: str) -> None:
    check_problem(await post(probe, fresh_room(), body, *fields), status)


@case("contract/websocket/foreign-origin")
async def foreign_socket(probe: Probe) -> None:
    path = target(probe, "websocket", fresh_room())
    data = probe.request(*handshake("Origin: https://other.invalid"), target=path)
    response = await probe.exchange(data, body=False)
    response.expect(403)


@case("contract/publish/retry", publishes=True)
async def retry(probe: Probe) -> None:
    room, key = fresh_room(), f"Idempotency-Key: {secrets.token_hex(8)}"
    first, second = [await post(probe, room, GOOD % b"once", key) for _ in range(2)]
    if (first.status, second.status) != (201, 201):
        raise Failed(
            "expected 201 twice; got {first}, {second}", first=first.status, second=second.status
        )
    check_same([parsed(second.body)], [parsed(first.body)])


@case("contract/publish/retry-of-another-document", publishes=True)
async def retry_of_another_document(probe: Probe) -> None:
    room, key = fresh_room(), f"Idempotency-Key: {secrets.token_hex(8)}"
    await post(probe, room, GOOD % b"once", key)
    check_problem(await post(probe, room, GOOD % b"twice", key), 422)


# Streams and sockets


@each("contract/streams/cursor-", ("streaming", "sse"))
async def _cursor(probe: Probe, technique: str) -> None:
    path = target(probe, technique, fresh_room())
    response = await probe.exchange(probe.request(target=path), body=False)
    if not re.fullmatch(r"[a-z0-9]{1,16}-[0-9]+", response.get("cursor")):
        raise Failed("expected a cursor; got {cursor!r}", cursor=response.get("cursor"))


BAD_COMMANDS = {
    "not-json": frame(FIN | TEXT, b"{"),
    "unknown-type": frame(FIN | TEXT, b'{"type": "conformance"}'),
    "binary": frame(FIN | BINARY, b"{}"),
    "nan": frame(FIN | TEXT, b'{"type": "publish", "room": "conformance", "text": NaN}'),
    "member-twice": frame(FIN | TEXT, b'{"type": "leave", "type": "conformance"}'),
}


@each("contract/websocket/", BAD_COMMANDS, publishes=True)
async def _command(probe: Probe, data: bytes) -> None:
    async with open_socket(probe, target=target(probe, "websocket", fresh_room())) as socket:
        await socket.send(data)
        while (message := parsed((await socket.next(TEXT)).payload)).get("type") != "error":
            pass
        if not message.get("code") or not message.get("detail"):
            raise Failed("expected code and detail; got {got}", got=message)
        await socket.check_open()
