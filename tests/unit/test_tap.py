"""The tap over real sockets: counts, delays, cuts and stalls."""

from __future__ import annotations

import asyncio
import socket
import struct
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from realtime_demo.tap.network import Link, Network, Schedule
from realtime_demo.tap.proxy import Counts, Tap
from tests.support.raw_server import Handler, serving
from tests.support.waiting import BOUND, repeated_after_a_stall, until


async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(65_536):
        writer.write(data)
        await writer.drain()


@asynccontextmanager
async def connected(tap: Tap) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    reader, writer = await asyncio.open_connection("127.0.0.1", tap.port)
    try:
        yield reader, writer
    finally:
        writer.close()
        with suppress(ConnectionError):
            await writer.wait_closed()


@asynccontextmanager
async def tapped(
    handler: Handler, **options: Any
) -> AsyncIterator[tuple[Tap, asyncio.StreamReader, asyncio.StreamWriter]]:
    """Yield a tap in front of a server with `handler`, and a connection through it."""
    async with (
        serving(handler) as port,
        Tap("127.0.0.1", port, **options) as tap,
        connected(tap) as (reader, writer),
    ):
        yield tap, reader, writer


def advance_clock(seconds: float) -> None:
    """Advance the event loop's clock."""
    loop = asyncio.get_running_loop()
    now = loop.time
    loop.time = lambda: now() + seconds  # type: ignore[method-assign]


async def read_to_end(reader: asyncio.StreamReader) -> tuple[bytes, bool]:
    """Return the data up to the end, and whether the end was a reset."""
    received = bytearray()
    async with asyncio.timeout(BOUND):
        try:
            while data := await reader.read(65_536):
                received += data
        except ConnectionResetError:
            return bytes(received), True
    return bytes(received), False


# --- Counts ------------------------------------------------------------------------------


async def test_counts_match_a_hand_computed_exchange() -> None:
    request = b"GET /polling/lobby/ HTTP/1.1\r\nHost: x\r\n\r\n"  # 30 + 9 + 2 bytes
    response = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"  # 17 + 19 + 2 + 2 bytes

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while await reader.readuntil(b"\r\n\r\n"):
            writer.write(response)
            await writer.drain()

    async with serving(answer) as port, Tap("127.0.0.1", port, label="polling") as tap:
        for _ in range(2):
            async with connected(tap) as (reader, writer):
                for _ in range(3):
                    writer.write(request)
                    assert await reader.readexactly(len(response)) == response
        assert tap.counts == {"polling": Counts(up=6 * 41, down=6 * 40, connections=2, requests=6)}


@pytest.mark.skipif(sys.platform != "linux", reason="reads Linux's TCP_INFO")
@pytest.mark.parametrize("rtt", [0.0, 0.02])
async def test_counts_match_the_kernels(rtt: float) -> None:
    """Compare with tcpi_bytes_acked and tcpi_bytes_received of the client's socket."""
    sizes = [1, 2, 125, 126, 1_460, 1_461, 65_535, 65_536, 300_000]
    async with tapped(echo, network=Network.of(rtt=rtt)) as (tap, reader, writer):
        for size in sizes:
            writer.write(bytes(size))
            await reader.readexactly(size)
        information = writer.get_extra_info("socket").getsockopt(
            socket.IPPROTO_TCP, socket.TCP_INFO, 256
        )
        acked, received = struct.unpack_from("QQ", information, 120)
        assert (tap.total.up, tap.total.down) == (sum(sizes), sum(sizes))
        assert tap.total.down == received
        # The kernel counts the SYN among the bytes acknowledged (RFC 9293 §3.4).
        assert tap.total.up in (acked, acked - 1)


async def test_each_request_is_labelled_by_its_target() -> None:
    async with tapped(echo, label=lambda target: target.split("/")[1]) as (tap, reader, writer):
        for target in ("/polling/a/?since=1", "/longpoll/a/", "/polling/b/"):
            request = f"GET {target} HTTP/1.1\r\n\r\n".encode()
            writer.write(request)
            await reader.readexactly(len(request))
        assert tap.counts["polling"] == Counts(up=36 + 28, down=36 + 28, connections=1, requests=2)
        assert tap.counts["longpoll"].requests == 1
        assert tap.counts["longpoll"].connections == 0  # sent over the same connection
        assert [connection.target for connection in tap.connections] == ["/polling/b/"]


# --- The network -------------------------------------------------------------------------

links = st.builds(
    Link,
    delay=st.floats(0, 5),
    jitter=st.floats(0, 5),
    bandwidth=st.one_of(st.just(float("inf")), st.floats(1, 1e9)),
)
arrivals = st.lists(st.tuples(st.floats(0, 3), st.integers(0, 10_000)), max_size=30)


@settings(deadline=None)
@given(links, arrivals)
def test_a_link_keeps_order_and_is_never_early(link: Link, pieces: list[tuple[float, int]]) -> None:
    schedule, now, last = Schedule(), 0.0, 0.0
    for pause, size in pieces:
        now += pause
        due = schedule.arrival(link, now, size)
        assert due >= (now + link.delay + size / link.bandwidth) * (1 - 1e-9)
        assert due >= last
        last = due


def test_delay_does_not_limit_throughput() -> None:
    schedule = Schedule()
    link = Link(delay=1.0)
    assert [schedule.arrival(link, at / 100, 1_000) for at in range(100)] == [
        pytest.approx(1.0 + at / 100) for at in range(100)
    ]


def test_bandwidth_delays_later_pieces() -> None:
    schedule, link = Schedule(), Link(delay=0.5, bandwidth=1_000)
    assert schedule.arrival(link, 10.0, 100) == pytest.approx(10.6)
    assert schedule.arrival(link, 10.0, 100) == pytest.approx(10.7)
    assert schedule.queued(link, 10.0) == pytest.approx(200)
    assert schedule.arrival(link, 20.0, 100) == pytest.approx(20.6)


def test_unlimited_bandwidth_queues_nothing() -> None:
    schedule, link = Schedule(), Link(delay=0.5)
    schedule.arrival(link, 10.0, 100)  # as during a handshake's round trip
    assert schedule.queued(link, 9.9) == 0


@pytest.mark.parametrize("arguments", [{"delay": -1}, {"jitter": -1}, {"bandwidth": 0}])
def test_invalid_links_are_rejected(arguments: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="got"):
        Link(**arguments)


@pytest.mark.parametrize(
    "network",
    [
        Network.of(rtt=0.05),
        Network.of(rtt=0.05, jitter=0.05),
        Network.of(rtt=0.01, bandwidth=2_000_000),
        Network(down=Link(jitter=0.03)),
    ],
)
async def test_network_keeps_data_complete_and_in_order(network: Network) -> None:
    data = b"".join(number.to_bytes(4, "big") for number in range(50_000))
    async with tapped(echo, network=network) as (_, reader, writer):
        loop = asyncio.get_running_loop()
        began = loop.time()
        for place in range(0, len(data), 4_000):
            writer.write(data[place : place + 4_000])
            await asyncio.sleep(0)
        writer.write_eof()
        received, reset = await read_to_end(reader)
        assert received == data and not reset
        assert loop.time() - began >= network.rtt * 0.9 or network.up.jitter or network.down.jitter


async def test_many_pieces_are_in_flight_at_once() -> None:
    """All hundred pieces have left before the first comes back, and all come back."""
    async with tapped(echo, network=Network.of(rtt=240.0)) as (tap, reader, writer):
        for _ in range(100):
            writer.write(bytes(1_000))
            await asyncio.sleep(0.001)
        await until(lambda: tap.total.up == 100_000)
        assert tap.total.down == 0
        receiving = asyncio.create_task(reader.readexactly(100_000))
        while not receiving.done():
            advance_clock(60.0)
            await asyncio.sleep(0.005)


async def test_a_network_change_keeps_the_order() -> None:
    async with tapped(echo, network=Network.of(rtt=0.4)) as (tap, reader, writer):
        writer.write(b"slow ")
        await until(lambda: tap.total.up == 5)
        tap.network = Network()
        writer.write(b"fast")
        assert await reader.readexactly(9) == b"slow fast"


@repeated_after_a_stall(0.05)
async def test_a_new_connection_waits_for_the_handshake() -> None:
    arrived: list[float] = []

    async def note(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while await reader.read(1):
            arrived.append(asyncio.get_running_loop().time())
            writer.write(b".")

    async with serving(note) as port, Tap("127.0.0.1", port, network=Network.of(0.2)) as tap:
        began = asyncio.get_running_loop().time()
        async with connected(tap) as (reader, writer):
            writer.write(b"1")
            await reader.readexactly(1)
            second = asyncio.get_running_loop().time()
            writer.write(b"2")
            await reader.readexactly(1)
        assert arrived[0] - began >= 0.298  # a round trip, then one way
        assert 0.098 <= arrived[1] - second < arrived[0] - began


# --- Cut and stall -----------------------------------------------------------------------

RESPONSE = b"HTTP/1.1 200 OK\r\nContent-Length: 26\r\n\r\nabcdefghijklmnopqrstuvwxyz"


async def respond(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.read(1_024)
    for place in range(0, len(RESPONSE), 7):
        writer.write(RESPONSE[place : place + 7])
        await writer.drain()
    await reader.read(1_024)


@pytest.mark.parametrize("rtt", [0.0, 0.004])
async def test_a_cut_is_exact_after_every_byte(rtt: float) -> None:
    cuts = dict(enumerate(range(len(RESPONSE) + 1)))
    async with (
        serving(respond) as port,
        Tap("127.0.0.1", port, network=Network.of(rtt=rtt), cut_after=cuts) as tap,
    ):
        for size in cuts.values():
            async with connected(tap) as (reader, writer):
                writer.write(b"GET / HTTP/1.1\r\n\r\n")
                assert await read_to_end(reader) == (RESPONSE[:size], True)
        async with connected(tap) as (reader, writer):  # the next connection is not cut
            writer.write(b"GET / HTTP/1.1\r\n\r\n")
            assert await reader.readexactly(len(RESPONSE)) == RESPONSE


async def test_a_large_cut_is_exact_for_a_client_that_reads() -> None:
    async def pour(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for _ in range(1_000):
            writer.write(bytes(10_000))
            await writer.drain()

    async with tapped(pour, cut_after={0: 3_333_333}) as (_, reader, _):
        received, reset = await read_to_end(reader)
        assert (len(received), reset) == (3_333_333, True)


async def test_a_cut_waits_for_the_bytes_before_it() -> None:
    """A reset drops the bytes that the kernel has not sent yet (RFC 9293 §3.10.5)."""
    limit = 1_000_000

    async def pour(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(bytes(2 * limit))
        await writer.drain()

    async with tapped(pour, cut_after={0: limit}) as (tap, reader, writer):
        writer.transport.pause_reading()  # type: ignore[attr-defined]
        await until(lambda: tap.total.down == limit)  # in the kernel, and unread
        writer.transport.resume_reading()  # type: ignore[attr-defined]
        received, reset = await read_to_end(reader)
        assert (len(received), reset) == (limit, True)


async def test_client_that_leaves_before_a_cut_resets_the_server() -> None:
    size = 100_000_000  # bytes: more than the kernel takes for a client that does not read
    ends: list[BaseException] = []

    async def pour(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            writer.write(bytes(size))
            await writer.drain()
        except ConnectionError as error:
            ends.append(error)

    async with tapped(pour) as (tap, _, writer):
        writer.transport.pause_reading()  # type: ignore[attr-defined]
        await until(lambda: tap.total.down > 0 and not tap.connections[0].pipes["down"].writable)
        tap.cut_after[0] = tap.total.down  # all of it written, but not all sent
        tap.connections[0].pipes["down"].cut_if_due()
        assert not ends
        writer.transport.abort()
        await until(lambda: ends)


async def test_a_cut_resets_both_ends_of_one_label() -> None:
    ends: list[BaseException | None] = []

    async def hold(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while await reader.read(1_024):
                pass
            ends.append(None)
        except ConnectionResetError as error:
            ends.append(error)

    async with (
        serving(hold) as port,
        Tap("127.0.0.1", port, label=lambda target: target) as tap,
        connected(tap) as (first, first_writer),
        connected(tap) as (_, second_writer),
    ):
        first_writer.write(b"GET /a HTTP/1.1\r\n\r\n")
        second_writer.write(b"GET /b HTTP/1.1\r\n\r\n")
        await until(lambda: tap.total.requests == 2)
        assert tap.cut("/a") == 1
        assert await read_to_end(first) == (b"", True)
        await until(lambda: len(ends) == 1)
        assert isinstance(ends[0], ConnectionResetError)
        assert [connection.label for connection in tap.connections] == ["/b"]


async def test_a_stall_sends_nothing_and_loses_nothing() -> None:
    async with tapped(echo) as (tap, reader, writer):
        writer.write(b"before ")
        assert await reader.readexactly(7) == b"before "
        assert tap.stall() == 1
        writer.write(b"during ")
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.2):
                await reader.read(1)
        async with connected(tap) as (other_reader, other_writer):  # a new one is not stalled
            other_writer.write(b"new")
            assert await other_reader.readexactly(3) == b"new"
        tap.resume()
        writer.write(b"after")
        assert await reader.readexactly(12) == b"during after"


# --- Clients of connections ----------------------------------------------------------------


async def test_the_client_behind_an_upstream_connection_is_known() -> None:
    """The client is known from before the server's first byte until its end is closed."""
    clients_of_ports: list[tuple[int, tuple[str, int] | None]] = []

    async def look_up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while await reader.read(1):
            port = writer.get_extra_info("peername")[1]
            clients_of_ports.append((port, tap.client_of(port)))
            writer.write(b".")

    async with serving(look_up) as port, Tap("127.0.0.1", port) as tap:
        async with connected(tap) as (first, one), connected(tap) as (second, two):
            for reader, writer in ((first, one), (second, two), (first, one)):
                writer.write(b"x")
                await reader.readexactly(1)
            clients = [writer.get_extra_info("sockname") for writer in (one, two, one)]
            assert [client for _, client in clients_of_ports] == clients
        await until(lambda: not any(tap.client_of(port) for port, _ in clients_of_ports))
        assert tap.client_of(port) is None


# --- Ends --------------------------------------------------------------------------------


@pytest.mark.parametrize("rtt", [0.0, 0.02])
async def test_a_half_close_is_relayed_and_resources_are_freed(rtt: float) -> None:
    async def reverse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write((await reader.read())[::-1])
        await writer.drain()

    async with serving(reverse) as port, Tap("127.0.0.1", port, network=Network.of(rtt)) as tap:
        async with connected(tap) as (reader, writer):
            writer.write(b"abc")
            writer.write_eof()
            assert await read_to_end(reader) == (b"cba", False)
        await until(lambda: not tap.connections)


async def test_a_reset_by_the_client_reaches_the_server() -> None:
    ends: list[BaseException] = []

    async def hold(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while await reader.read(1_024):
                pass
        except ConnectionResetError as error:
            ends.append(error)

    async with serving(hold) as port, Tap("127.0.0.1", port, network=Network.of(0.02)) as tap:
        async with connected(tap) as (_, writer):
            writer.write(b"x")
            await until(lambda: tap.total.up)
            linger = struct.pack("ii", 1, 0)
            client = writer.get_extra_info("socket")
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
            writer.transport.abort()
        await until(lambda: ends)
        await until(lambda: not tap.connections)


async def test_a_client_is_reset_if_there_is_no_server() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        async with Tap("127.0.0.1", unused.getsockname()[1]) as tap, connected(tap) as (reader, _):
            assert await read_to_end(reader) == (b"", True)


@pytest.mark.parametrize(
    "network", [Network(), Network.of(0.02), Network.of(240.0), Network.of(bandwidth=1e5)]
)
async def test_a_client_that_does_not_read_slows_the_server(network: Network) -> None:
    written = 0

    async def pour(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal written
        writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 65_536)
        while True:
            writer.write(bytes(65_536))
            await writer.drain()
            written += 65_536

    async with (
        serving(pour) as port,
        Tap("127.0.0.1", port, network=network, window=100_000) as tap,
    ):
        with socket.create_connection(("127.0.0.1", tap.port)) as client:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65_536)
            before = -1
            while before < written or not written:
                before = written
                await asyncio.sleep(0.2)
            assert written < 16_000_000  # the kernel's buffers and the window


async def test_an_observer_receives_all_bytes() -> None:
    observed: dict[str, bytes] = {"up": b"", "down": b""}

    def observe(connection: object, direction: str, data: bytes) -> None:
        observed[direction] += data

    async with tapped(echo, observe=observe) as (_, reader, writer):
        writer.write(b"hello")
        await reader.readexactly(5)
    assert observed == {"up": b"hello", "down": b"hello"}


async def test_a_late_end_raises_no_error() -> None:
    """The server resets during a stall, so the client's end cannot be relayed."""
    may_reset, was_reset, errors = asyncio.Event(), asyncio.Event(), []

    async def reset(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await may_reset.wait()
        linger = struct.pack("ii", 1, 0)
        writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        writer.transport.abort()
        await writer.wait_closed()
        was_reset.set()

    loop = asyncio.get_running_loop()
    loop.set_exception_handler(lambda _, context: errors.append(context))
    async with tapped(reset, network=Network.of(rtt=240.0)) as (tap, _, writer):
        await until(lambda: tap.connections and "down" in tap.connections[0].pipes)
        up = tap.connections[0].pipes["up"]
        writer.write_eof()
        await until(lambda: up.queue)
        tap.stall()
        may_reset.set()
        await was_reset.wait()
        advance_clock(up.queue[0][0] - loop.time())  # its end is due
        tap.resume()
        while tap.connections:
            advance_clock(60.0)
            await asyncio.sleep(0.005)
    assert errors == []
