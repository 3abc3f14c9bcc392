"""The scenarios: what is done with a server and a contestant, and the figures of each run."""

from __future__ import annotations

import asyncio
import json
import socket
import statistics
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass, replace
from typing import Any

from benchmarks.contestants import Contestant
from benchmarks.framing import Framing, Unexpected, get, text_of
from benchmarks.publishers import HttpPublisher, at_once, at_rate, read_response
from benchmarks.servers import Server
from benchmarks.subscribers import DeliveryLedger, Subscriber, SubscriberGroup, Tally

FIRST = 100  # idle connections opened before the measurement, for one-time allocations
WARM_UP = 50  # events to the one subscriber
POLLING = 8  # connections; each polls again after its response
TEXT = "한" * 1_990  # the longest text of an event (6 kB), with the number before it
HISTORY_FILLED = 1_300  # events that fill history and tail
RECEIVE_BUFFER = 4_096  # bytes of the receive buffer of a client that does not read
STEP = 100  # events between two measurements of the memory
CATCHING_UP = 20.0  # seconds until a client that reads again must have caught up


@dataclass(frozen=True)
class Run:
    """The figures of one contestant in a scenario, with the ledger of its deliveries.

    `failures` are those of its connections.
    """

    contestant: str
    ledger: DeliveryLedger
    failures: tuple[str, ...]

    @property
    def valid(self) -> bool:
        return self.ledger.clean and not self.failures

    @property
    def derived(self) -> dict[str, float]:
        """The figures computed from others, by their names in the JSON."""
        return {}

    def document(self) -> dict[str, Any]:
        return {**asdict(self), "valid": self.valid, **self.derived}


def audited(
    contestant: Contestant, listeners: SubscriberGroup, published: int
) -> tuple[str, DeliveryLedger, tuple[str, ...]]:
    """Return the members of a `Run` with this number of events."""
    failures = tuple(sorted(set(listeners.failures)))
    return contestant.name, listeners.ledger(published), failures


# --- One publisher, many subscribers: the CPU time of the server for each delivery --------


@dataclass(frozen=True)
class Load:
    """A load of `events` events at `rate` a second (None: as fast as possible).

    `warm_up` events are published before, at 10 a second.
    """

    name: str
    subscribers: int
    rate: float | None
    events: int
    warm_up: int = 10


@dataclass(frozen=True)
class Fanout(Run):
    """The figures under one load. `seconds` is from the first publish to the last delivery."""

    load: Load
    cpu: float
    seconds: float
    load_cpu: float
    receipts: int

    @property
    def deliveries(self) -> int:
        return self.load.subscribers * self.load.events

    @property
    def cost(self) -> float:
        """CPU milliseconds of the server for 1,000 deliveries."""
        return self.cpu * 1e6 / self.deliveries

    @property
    def capacity(self) -> float:
        """Deliveries in a second of the server's CPU time: the capacity of one core."""
        return self.deliveries / self.cpu

    @property
    def at_a_time(self) -> float:
        """Mean number of events that a subscriber received at once: over 1 if either side was late.

        Long polling then costs less for each event, since there are fewer requests.
        """
        return self.deliveries / max(1, self.receipts)

    @property
    def derived(self) -> dict[str, float]:
        return {
            "cpu_ms_per_1000_deliveries": self.cost,
            "deliveries_per_cpu_second": self.capacity,
            "deliveries_per_second": self.deliveries / self.seconds,
            "events_at_a_time": self.at_a_time,
            "server_busy": self.cpu / self.seconds,
            "load_busy": self.load_cpu / self.seconds,
        }


async def fanout(server: Server, contestant: Contestant, load: Load, room: str) -> Fanout:
    """Publish `load`, wait for every delivery, and count them in the ledger."""
    async with contestant.open(server.port, room, load.subscribers) as (listeners, publisher):
        await at_rate(load.warm_up, 10, publisher)
        await listeners.complete(publisher.published)
        await server.settled()
        receipts = listeners.tally.receipts
        cpu, load_cpu, start = server.cpu, time.process_time(), time.perf_counter()
        if load.rate is None:
            await at_once(publisher, load.events)
        else:
            await at_rate(load.events, load.rate, publisher)
        complete = await listeners.complete(publisher.published)
        seconds = time.perf_counter() - start
        cpu, load_cpu = server.cpu - cpu, time.process_time() - load_cpu
        receipts = listeners.tally.receipts - receipts
        if complete:
            await publisher.accepted()
            await server.settled()  # a duplicate may still arrive
        audit = audited(contestant, listeners, publisher.published)
        return Fanout(*audit, load, cpu, seconds, load_cpu, receipts)


# --- One publisher, one subscriber: the delay of an event ---------------------------------


@dataclass(frozen=True)
class OneToOne(Run):
    """The median time from sending a publish to receiving its event, in seconds."""

    events: int
    median: float


async def one_to_one(server: Server, contestant: Contestant, events: int, room: str) -> OneToOne:
    """Publish one event at a time, each once the previous one has been received."""
    delays = []
    async with contestant.open(server.port, room, 1) as (listeners, publisher):
        await server.settled()
        for number in range(WARM_UP + events):
            start = time.perf_counter()
            await publisher.publish()
            if not await listeners.complete(number + 1):
                break
            delays.append(time.perf_counter() - start)
            await publisher.accepted()
        audit = audited(contestant, listeners, publisher.published)
        return OneToOne(*audit, events, statistics.median(delays[WARM_UP:] or [0.0]))


# --- Polls without new events -------------------------------------------------------------


@dataclass(frozen=True)
class Polls(Run):
    """The figures of empty polls."""

    polls: int
    cpu: float

    @property
    def cost(self) -> float:
        """CPU milliseconds of the server for 1,000 polls."""
        return self.cpu * 1e6 / self.polls

    @property
    def derived(self) -> dict[str, float]:
        return {"cpu_ms_per_1000_polls": self.cost}


async def empty_polls(server: Server, contestant: Contestant, polls: int, room: str) -> Polls:
    """Poll from the room's head, after a warm-up of a tenth; check that each poll is empty."""
    path = f"/polling/{room}/"
    if contestant.is_ours:
        async with HttpPublisher(server.port, room) as publisher:
            await publisher.publish()
            await publisher.accepted()
    cursor = (await _poll(server.port, get(path, server.host), 1))["cursor"]
    request = get(f"{path}?since={cursor}", server.host)

    async def poll(times: int) -> None:
        share = [times // POLLING] * POLLING
        batches = await asyncio.gather(*(_poll(server.port, request, count) for count in share))
        if any(batch["events"] for batch in batches):
            raise Unexpected("expected an empty poll; got events")

    await poll(max(POLLING, polls // 10))
    await server.settled()
    cpu = server.cpu
    await poll(polls)
    await server.settled()
    polls = polls // POLLING * POLLING
    return Polls(contestant.name, DeliveryLedger(), (), polls, server.cpu - cpu)


async def _poll(port: int, request: bytes, count: int) -> dict[str, object]:
    """Poll `count` times on one connection; return the last batch."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    body = b"{}"
    for _ in range(count):
        writer.write(request)
        code, body = await read_response(reader)
        if code != 200:
            raise Unexpected(f"expected 200 to a poll; got {code}: {body[:200]!r}")
    writer.transport.abort()
    batch: dict[str, object] = json.loads(body)
    return batch


# --- The memory and threads of idle connections -------------------------------------------


@dataclass(frozen=True)
class IdleCost(Run):
    """The figures of `connections` idle connections. Memory is in bytes for each."""

    connections: int
    resident: float
    unshared: float
    threads: int


async def idle(server: Server, contestant: Contestant, connections: int, room: str) -> IdleCost:
    """Open the connections, measure, and check with an event that each is connected."""
    async with contestant.open(server.port, room, FIRST) as (listeners, publisher):
        await server.settled()
        resident, unshared = server.resident, server.unshared
        await listeners.join(connections)
        await server.settled()
        resident, unshared = server.resident - resident, server.unshared - unshared
        threads = server.threads
        await publisher.publish()
        await listeners.complete(1)
        return IdleCost(
            *audited(contestant, listeners, 1),
            connections + FIRST,
            resident / connections,
            unshared / connections,
            threads,
        )


# --- The memory that a server uses for a client that does not read ------------------------


@dataclass(frozen=True)
class Stalled(Run):
    """The figures of a client that does not read.

    `sent` bytes were published while it did not read, and memory grew by at most `growth` bytes.
    The ledger is of another client, which reads all the time. The first client reads again at the
    end, and must receive the last event.
    """

    sent: int
    growth: int


async def stalled(server: Server, contestant: Contestant, events: int, room: str) -> Stalled:
    """Publish `events` to a client that reads and to one that does not."""

    def text(number: int) -> str:
        return text_of(number, TEXT)

    async with contestant.open(server.port, room, 1, text) as (listeners, publisher):

        async def publish(count: int) -> int:
            """Publish `count` events or until one is lost; return the maximum memory, in bytes."""
            maximum = 0
            for _ in range(count // STEP):
                for _ in range(STEP):
                    await publisher.publish()
                await publisher.accepted()
                if not await listeners.complete(publisher.published):
                    break
                maximum = max(maximum, server.resident)
            return maximum

        before = await publish(HISTORY_FILLED)
        async with _paused(contestant.framed(server.port, room), server.port) as client:
            maximum = await publish(events)
            caught_up = await _catches_up(client, publisher.published - 1)
        audit = audited(contestant, listeners, publisher.published)
        run = Stalled(*audit, events * len(text(0).encode()), max(0, maximum - before))
        failure = client.failure or "the last event did not arrive"
        return run if caught_up else replace(run, failures=(failure, *run.failures))


@asynccontextmanager
async def _paused(framing: Framing, port: int) -> AsyncIterator[Subscriber]:
    """Open a subscriber that stops reading once it has joined."""
    client = socket.socket()
    client.setblocking(False)
    client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER)
    loop = asyncio.get_running_loop()
    await loop.sock_connect(client, ("127.0.0.1", port))
    _, subscriber = await loop.create_connection(lambda: Subscriber(framing, Tally()), sock=client)
    try:
        await subscriber.opened
        subscriber.transport.pause_reading()
        yield subscriber
    finally:
        subscriber.close()


async def _catches_up(client: Subscriber, last: int) -> bool:
    """Resume reading; return whether event `last` arrives."""
    receiving: socket.socket = client.transport.get_extra_info("socket")
    receiving.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
    client.transport.resume_reading()
    deadline = asyncio.get_running_loop().time() + CATCHING_UP
    while client.received[-1:] != [last]:
        if client.failure or asyncio.get_running_loop().time() > deadline:
            return False
        await client.tally.reach(client.tally.count + 1, patience=1.0)
    return True
