"""The benchmarks' harness: that it counts right, and gives no figure of what went wrong."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import pytest
from rich.console import Console

from benchmarks.contestants import BASELINE, CONTESTANTS, Contestant
from benchmarks.fanout import Fanout, Load, fanout
from benchmarks.framing import (
    Framing,
    LineFraming,
    LongPollFraming,
    ServerSentEventsFraming,
    Unexpected,
    WebSocketFraming,
    client_frame,
    text_of,
)
from benchmarks.ledger import Ledger, Tally
from benchmarks.plan import FULL, steps
from benchmarks.results import HELD_LOAD, Results
from benchmarks.servers import OURS, TUTORIAL, running
from benchmarks.subscribers import Subscriber, audience
from benchmarks.tables import tables

from .waiting import until

LOAD = Load("small", subscribers=5, rate=50, events=6, warm_up=2)


@pytest.mark.parametrize(
    ("received", "lost", "doubled", "disordered"),
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
def test_ledger(received: list[int], lost: int, doubled: int, disordered: int) -> None:
    ledger = Ledger.of(4, [[0, 1, 2, 3], received])
    assert ledger == Ledger(8, 4 + len(received), lost, doubled, disordered)
    assert ledger.clean == (received == [0, 1, 2, 3])


def event(number: int) -> bytes:
    return b'{"id":"k3f9-%d","text":"%b"}' % (number, text_of(number).encode())


def batch(*numbers: int) -> bytes:
    return b'{"cursor":"k3f9-9","events":[%b]}' % b",".join(map(event, numbers))


def frame(payload: bytes, opcode: int = 1) -> bytes:
    size = len(payload)
    extended = size.to_bytes(2) if size > 125 else b""
    return bytes([0x80 | opcode, 126 if extended else size]) + extended + payload


def chunk(*parts: bytes) -> bytes:
    data = b"".join(parts)
    return b"%x\r\n%b\r\n" % (len(data), data)


def response(body: bytes) -> bytes:
    return b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body)


class Unconnected(asyncio.Transport):
    """Keeps what is written to it."""

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
            # An event may go on in the next chunk.
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
        (LongPollFraming("/", "host"), response(batch(0, 1)) + response(batch(2))),
    ],
    ids=["websocket", "tutorial", "streaming", "sse", "longpoll"],
)
async def test_subscriber_reads_what_was_cut_anywhere(framing: Framing, data: bytes) -> None:
    if framing.head:
        data = b"HTTP/1.1 %d Begun\r\nServer: x\r\n\r\n" % framing.head + data
    for cut in range(1, len(data)):
        transport = Unconnected()
        subscriber = Subscriber(framing, Tally())
        subscriber.connection_made(transport)
        subscriber.data_received(data[:cut])
        subscriber.data_received(data[cut:])
        assert (subscriber.received, subscriber.failure) == ([0, 1, 2], "")
        assert subscriber.opened.done()
        assert transport.written[0] == framing.request


def test_framing_answers() -> None:
    pinged = WebSocketFraming("/", "host").parse(frame(b"x", 9))
    assert pinged.reply == client_frame(b"x", 10)
    asked = LongPollFraming("/longpoll/r/", "host").parse(response(batch(0)))
    assert asked.reply.startswith(b"GET /longpoll/r/?since=k3f9-9&wait=55 HTTP/1.1\r\n")


def test_framing_refuses() -> None:
    with pytest.raises(Unexpected):
        WebSocketFraming("/", "host").parse(frame(b"\x03\xe8", 8))
    with pytest.raises(Unexpected):
        LineFraming("/", "host").parse(b"0\r\n\r\n")
    with pytest.raises(Unexpected):
        LongPollFraming("/", "host").parse(b"HTTP/1.1 503 No\r\nContent-Length: 2\r\n\r\n{}")


@asynccontextmanager
async def telling(numbers: Sequence[int], then_close: bool = False) -> AsyncIterator[int]:
    """The port of a server that tells every client these numbers."""

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


async def test_audience_finds_what_a_server_did_wrong() -> None:
    async with (
        telling([0, 1, 1, 4, 3]) as port,
        audience(WebSocketFraming("/", "host"), port, 3) as listeners,
    ):
        assert await listeners.complete(5)
        assert listeners.ledger(5) == Ledger(15, 15, lost=3, doubled=3, disordered=3)
        assert listeners.tally.receipts <= 15
        assert not await listeners.complete(6, patience=0.1)
        assert not listeners.failures


async def test_audience_notices_a_closed_connection() -> None:
    async with (
        telling([0], then_close=True) as port,
        audience(WebSocketFraming("/", "host"), port, 2) as listeners,
    ):
        assert not await listeners.complete(2, patience=0.1)
        await until(lambda: len(listeners.failures) == 2)
        assert listeners.failures == ["the server closed the connection"] * 2


@pytest.mark.parametrize("program", [OURS, TUTORIAL], ids=["ours", "tutorial"])
async def test_every_delivery_is_counted(program: object) -> None:
    async with running(OURS if program is OURS else TUTORIAL) as server:
        for contestant in CONTESTANTS:
            if contestant.program is program:
                run = await fanout(server, contestant, LOAD, f"r-{contestant.name}")
                assert run.valid, (contestant.name, run)
                expected = LOAD.subscribers * (LOAD.events + LOAD.warm_up)
                assert run.ledger == Ledger(expected, expected)
                assert run.deliveries == 30
                assert run.cpu > 0


CLEAN = Ledger(1_000, 1_000)


def run_of(contestant: Contestant, cpu: float, ledger: Ledger = CLEAN) -> Fanout:
    load = Load(HELD_LOAD, subscribers=500, rate=10, events=2)
    return Fanout(contestant.name, load, ledger, cpu, seconds=1.0, load_cpu=0.1, receipts=1_000)


def shown(results: Results) -> str:
    console = Console(width=200)
    with console.capture() as capture:
        for table in tables(results):
            console.print(table)
    return capture.get()


def test_the_number_to_hold_is_a_ratio_within_one_run() -> None:
    ours = CONTESTANTS[1]
    results = Results([run_of(BASELINE, 0.4), run_of(ours, 0.1)])
    assert [hold.held for hold in results.holds] == [True, True]
    assert "100.0" in shown(results)  # ms of CPU for 1,000 deliveries
    results = Results([run_of(BASELINE, 0.39), run_of(ours, 0.1)])
    assert [hold.held for hold in results.holds] == [True, False]


def test_a_run_that_lost_something_has_no_figure() -> None:
    ours = CONTESTANTS[1]
    results = Results([run_of(BASELINE, 0.4), run_of(ours, 0.1, Ledger(1_000, 999, lost=1))])
    assert [hold.held for hold in results.holds] == [False]
    assert "1 lost" in shown(results)
    assert "100.0" not in shown(results)


def test_steps_can_be_chosen() -> None:
    labels = [step.label for step in steps(FULL, ["sse", "fanout"])]
    assert labels == [
        "Channels tutorial, WebSocket: deliveries",
        "Server-Sent Events: deliveries",
    ]
    assert len(list(steps(FULL))) == 17
