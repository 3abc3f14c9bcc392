"""The benchmarks: load generator, ledger, contestants and published table."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from benchmarks import publishing, redis_cost
from benchmarks.cli import part
from benchmarks.contestants import BASELINE, CONTESTANT, CONTESTANTS, FANOUT, Contestant
from benchmarks.framing import (
    EventStreamFraming,
    Framing,
    LineFraming,
    LongPollFraming,
    ServerSentEventsFraming,
    SocketIOFraming,
    SocketIOPollingFraming,
    Unexpected,
    WebSocketFraming,
    client_frame,
    text_of,
)
from benchmarks.plan import FULL, QUICK, steps
from benchmarks.results import LIMITED_LOAD, Results, rows
from benchmarks.scenarios import (
    WARM_UP,
    Fanout,
    Load,
    Run,
    empty_polls,
    fanout,
    one_to_one,
    stalled,
)
from benchmarks.servers import running
from benchmarks.subscribers import DeliveryLedger, Subscriber, Tally, subscriber_group
from tests.server.deviations import DEVIATIONS
from tests.support.program import run_python
from tests.support.waiting import BOUND, until
from tests.support.wire import chunk, frame, response

LOAD = Load("small", subscribers=5, rate=50, events=6, warm_up=2)


@pytest.mark.parametrize(
    ("received", "lost", "duplicated", "out_of_order"),
    [
        ([0, 1, 2, 3], 0, 0, 0),
        ([0, 1, 3], 1, 0, 0),
        ([0, 1, 1, 2, 3], 0, 1, 0),
        ([0, 2, 1, 3], 0, 0, 1),
        ([0, 1, 2, 3, 4], 0, 1, 0),
        ([-1, 0, 1, 2, 3], 0, 1, 0),
        ([3, 0, 0], 2, 1, 1),
        ([], 4, 0, 0),
    ],
)
def test_ledger_counts_faults(
    received: list[int], lost: int, duplicated: int, out_of_order: int
) -> None:
    ledger = DeliveryLedger.of(4, [[0, 1, 2, 3], received])
    assert ledger == DeliveryLedger(8, 4 + len(received), lost, duplicated, out_of_order)
    assert ledger.clean == (received == [0, 1, 2, 3])


def event(number: int) -> bytes:
    return b'{"id":"k3f9-%d","text":"%b"}' % (number, text_of(number).encode())


def batch(*numbers: int) -> bytes:
    return b'{"cursor":"k3f9-9","events":[%b]}' % b",".join(map(event, numbers))


def packet(number: int) -> bytes:
    return b'42["message",%b]' % event(number)


def messages(*numbers: int) -> bytes:
    return b"".join(frame(packet(number)) for number in numbers)


class RecordingTransport(asyncio.Transport):
    """A transport that stores the written data."""

    def __init__(self) -> None:
        super().__init__()
        self.written: list[bytes] = []

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.written.append(bytes(data))


@pytest.mark.parametrize(
    ("framing", "data"),
    [
        (
            WebSocketFraming("/", "host"),
            frame(batch()) + frame(b"ping", 9) + frame(batch(0, 1)) + frame(batch(2)),
        ),
        (
            WebSocketFraming("/", "host"),
            b"".join(frame(b'{"message":"%b"}' % text_of(n).encode()) for n in range(3)),
        ),
        (
            LineFraming("/", "host"),
            # An event may continue in the next chunk.
            chunk(b"\n")
            + chunk(event(0), b"\n", event(1)[:30])
            + chunk(event(1)[30:], b"\n", event(2), b"\n"),
        ),
        (
            ServerSentEventsFraming("/", "host"),
            chunk(b"retry: 1000\n\n:\n\n")
            + chunk(*(b"id: k3f9-%d\ndata: %b\n\n" % (n, event(n)) for n in (0, 1)))
            + chunk(b"id: k3f9-2\n")
            + chunk(b"data: " + event(2) + b"\n\n"),
        ),
        (
            EventStreamFraming("/", "host"),
            chunk(b":   \n\nevent: stream-open\ndata:\n\n")
            + chunk(*(b"event: message\ndata: %b\n\n" % event(n) for n in (0, 1, 2)))
            + chunk(b"event: keep-alive\ndata:\n\n"),
        ),
        (LongPollFraming("/", "host"), response(batch(0, 1)) + response(batch(2))),
        (
            SocketIOFraming("room", "host"),
            frame(b'0{"sid":"s"}') + frame(b'40{"sid":"t"}') + frame(b"2") + messages(0, 1, 2),
        ),
        (
            SocketIOPollingFraming("room", "host"),
            response(b'0{"sid":"s"}')
            + response(b"OK")
            + response(b'40{"sid":"t"}')
            + response(b"\x1e".join([b"2", packet(0), packet(1)]))
            + response(b"OK")
            + b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
            + chunk(packet(2))
            + b"0\r\n\r\n",
        ),
    ],
    ids=[
        "websocket",
        "tutorial",
        "streaming",
        "sse",
        "eventstream",
        "longpoll",
        "socketio",
        "socketio-polling",
    ],
)
async def test_subscriber_reads_split_data(framing: Framing, data: bytes) -> None:
    if framing.stream_status:
        data = b"HTTP/1.1 %d Begun\r\nServer: x\r\n\r\n" % framing.stream_status + data
    for cut in range(1, len(data)):
        transport = RecordingTransport()
        subscriber = Subscriber(framing, Tally())
        subscriber.connection_made(transport)
        subscriber.data_received(data[:cut])
        subscriber.data_received(data[cut:])
        assert (subscriber.received, subscriber.failure) == ([0, 1, 2], "")
        assert subscriber.opened.done()
        assert transport.written[0] == framing.request


def test_framing_replies_to_pings_and_batches() -> None:
    pong = WebSocketFraming("/", "host").parse(frame(b"x", 9))
    assert pong.reply == client_frame(b"x", 10)
    next_poll = LongPollFraming("/longpoll/r/", "host").parse(response(batch(0)))
    assert next_poll.reply.startswith(b"GET /longpoll/r/?since=k3f9-9&wait=55 HTTP/1.1\r\n")


def test_socket_io_joins_and_answers_pings() -> None:
    framing = SocketIOFraming("blue", "host")
    assert framing.parse(frame(b'0{"sid":"s"}')).reply == client_frame(b'40{"room": "blue"}')
    assert framing.parse(frame(b'40{"sid":"t"}')).joined
    assert framing.parse(frame(b"2")).reply == client_frame(b"3")


def test_socket_io_polling_has_a_session_per_connection() -> None:
    shared = SocketIOPollingFraming("blue", "host")
    path = "/socket.io/?EIO=4&transport=polling"
    for sid in ("one", "two"):
        framing = shared.connection()
        opened = framing.parse(response(b'0{"sid":"%b"}' % sid.encode()))
        assert opened.reply.startswith(f"POST {path}&sid={sid} HTTP/1.1".encode())
        assert opened.reply.endswith(b'\r\n\r\n40{"room": "blue"}')
        accepted = framing.parse(response(b"OK"))
        assert accepted.reply.startswith(f"GET {path}&sid={sid} HTTP/1.1".encode())
        assert framing.parse(response(b"2")).reply.endswith(b"\r\n\r\n3")


@pytest.mark.parametrize(
    ("framing", "data"),
    [
        (WebSocketFraming, frame(b"\x03\xe8", 8)),
        (SocketIOFraming, frame(b'44{"message":"no"}')),
        (LineFraming, b"0\r\n\r\n"),
        (LongPollFraming, b"HTTP/1.1 503 No\r\nContent-Length: 2\r\n\r\n{}"),
    ],
)
def test_framing_rejects_bad_data(framing: type[Framing], data: bytes) -> None:
    with pytest.raises(Unexpected):
        framing("/", "host").parse(data)


@asynccontextmanager
async def sending(numbers: Sequence[int], then_close: bool = False) -> AsyncIterator[int]:
    """Run a server that sends every client these numbers; yield its port."""

    writers: list[asyncio.StreamWriter] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writers.append(writer)
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 101 Switching Protocols\r\n\r\n")
        writer.write(b"".join(frame(batch(number)) for number in numbers))
        if then_close:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1]
        for writer in writers:
            writer.transport.abort()
        await asyncio.sleep(0)  # they are closed in the loop's next turn


async def test_ledger_counts_a_servers_faults() -> None:
    async with (
        sending([0, 1, 1, 4, 3]) as port,
        subscriber_group(WebSocketFraming("/", "host"), port, 3) as listeners,
    ):
        assert await listeners.complete(5)
        assert listeners.ledger(5) == DeliveryLedger(15, 15, lost=3, duplicated=3, out_of_order=3)
        assert listeners.tally.receipts <= 15
        assert not await listeners.complete(6, patience=0.1)
        assert not listeners.failures


async def test_closed_connection_is_a_failure() -> None:
    async with (
        sending([0], then_close=True) as port,
        subscriber_group(WebSocketFraming("/", "host"), port, 2) as listeners,
    ):
        assert not await listeners.complete(2, patience=0.1)
        await until(lambda: len(listeners.failures) == 2)
        assert listeners.failures == ["the server closed the connection"] * 2


# The first contestant of each framing; the others differ only in the server.
DELIVERING = {
    contestant.framing: contestant
    for contestant in reversed(CONTESTANTS)
    if FANOUT in contestant.scenarios
}.values()


@pytest.mark.parametrize("contestant", DELIVERING, ids=lambda contestant: contestant.name)
async def test_every_delivery_is_counted(contestant: Contestant) -> None:
    async with running(contestant.program) as server:
        run = await fanout(server, contestant, LOAD, "room")
    assert run.valid, run
    expected = LOAD.subscribers * (LOAD.events + LOAD.warm_up)
    assert run.ledger == DeliveryLedger(expected, expected)
    assert run.deliveries == 30
    assert run.cpu > 0


async def test_a_websocket_publishes_to_one_subscriber() -> None:
    contestant = CONTESTANT["websocket-publish"]
    async with running(contestant.program) as server:
        run = await one_to_one(server, contestant, 20, "room")
    assert run.valid and run.ledger.received == 20 + WARM_UP, run
    assert 0 < run.median < BOUND
    assert f"'{run.median * 1000:.2f}'" in table_of(Results([run]))


@pytest.mark.parametrize("name", ["tutorial", "polling"])
async def test_empty_polls_are_counted(name: str) -> None:
    async with running(CONTESTANT[name].program) as server:
        run = await empty_polls(server, CONTESTANT[name], 24, "room")
    assert run.polls == 24
    assert run.cpu > 0


async def test_stalled_client_catches_up() -> None:
    contestant = CONTESTANT["sse"]
    async with running(contestant.program) as server:
        run = await stalled(server, contestant, 200, "room")
    assert run.valid, run
    assert run.sent > 1_000_000


CLEAN = DeliveryLedger(1_000, 1_000)


def run_of(contestant: Contestant, cpu: float, ledger: DeliveryLedger = CLEAN) -> Fanout:
    load = Load(LIMITED_LOAD, subscribers=500, rate=10, events=2)
    return Fanout(contestant.name, ledger, (), load, cpu, 1.0, load_cpu=0.1, receipts=1_000)


def table_of(results: Results) -> str:
    return str(list(rows(results)))


@pytest.mark.parametrize(
    ("baseline", "ledger", "are_met", "words"),
    [
        (0.4, CLEAN, [True, True], "100.0"),  # ms of CPU for 1,000 deliveries
        (0.39, CLEAN, [True, False], "100.0"),
        (0.4, DeliveryLedger(1_000, 999, lost=1), [False], "1 of 1,000 lost"),
    ],
)
def test_cost_is_compared_within_one_run(
    baseline: float, ledger: DeliveryLedger, are_met: list[bool], words: str
) -> None:
    runs: list[Run] = [run_of(BASELINE, baseline), run_of(CONTESTANT["websocket"], 0.1, ledger)]
    results = Results(runs)
    assert [limit.is_met for limit in results.limits] == are_met
    assert words in table_of(results)
    assert ("100.0" in table_of(results)) == ledger.clean, "a run with losses has no figure"


def test_a_peer_may_lose_events() -> None:
    lossy = run_of(CONTESTANT["eventstream"], 0.1, DeliveryLedger(1_000, 750, lost=250))
    results = Results([lossy, run_of(CONTESTANT["websocket"], 0.1)])
    assert [limit.is_met for limit in results.limits] == [True]
    assert "250 of 1,000 lost" in table_of(results)


def test_results_survive_json() -> None:
    results = Results([run_of(BASELINE, 0.4), run_of(CONTESTANT["websocket"], 0.1)])
    document = json.loads(json.dumps(results.document()))
    assert Results.from_document(document) == results


def test_steps_can_be_chosen() -> None:
    labels = [step.label for step in steps(FULL, ["sse", "fanout"])]
    assert labels == [
        "Channels tutorial: WebSocket, Daphne: fanout",
        "Server-Sent Events, Uvicorn: fanout",
    ]
    chosen = {step.contestant.name for step in steps(FULL, ["granian"])}
    assert chosen == {BASELINE.name} | {
        f"{name}-granian" for name in ("websocket", "sse", "longpoll", "polling")
    }
    contestants = {step.contestant.name for step in steps(FULL)}
    assert contestants == set(CONTESTANT)
    assert len(list(steps(QUICK))) < len(list(steps(FULL))) / 3


def test_a_quick_run_writes_its_figures(tmp_path: Path) -> None:
    file = tmp_path / "figures.json"
    arguments = ["--quick", "--only", "polls", "--only", "polling", "--json", str(file)]
    run_python("-m", "benchmarks", *arguments, seconds=90)
    figures = json.loads(file.read_text())
    assert [run["contestant"] for run in figures["empty_polls"]] == ["tutorial", "polling"]
    assert figures["command"] == ["python", "-m", "benchmarks", *arguments]
    assert figures["versions"]["uvicorn"]


@pytest.mark.parametrize(
    ("name", "render"), [("benchmarks", part), ("redis_cost", redis_cost.part)]
)
def test_document_shows_the_published_figures(
    name: str, render: Callable[[dict[str, Any]], str]
) -> None:
    measured = json.loads((publishing.MEASUREMENTS / f"{name}.json").read_text())
    rendered = render(measured)
    parts = (rendered, publishing.in_korean(rendered))
    for path, translated in zip(publishing.pages("benchmarks"), parts, strict=True):
        page = path.read_text()
        assert publishing.replace_part(page, name, translated) == page


def test_the_korean_pages_have_their_tables_in_korean() -> None:
    assert {deviation.reason for deviation in DEVIATIONS} <= publishing.KOREAN.keys()
    for name in ("benchmarks", "conformance", "servers"):
        english, korean = (path.read_text() for path in publishing.pages(name))
        for table in re.findall(r"<!-- made from .*?<!-- end -->", english, re.DOTALL):
            assert publishing.in_korean(table) in korean
            assert "Measured on" not in publishing.in_korean(table)
