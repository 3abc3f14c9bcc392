"""The hub, over a channel layer that loses, duplicates and delays messages, and fails."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from channels.layers import InMemoryChannelLayer

from tests.support.waiting import BOUND, until
from transports import hub as hub_module
from transports import tail as tail_module
from transports.events import Cursor, Draft, Event
from transports.feed import group_of
from transports.hub import Hub, TooManyRooms
from transports.store.base import StoreUnavailable
from transports.store.memory import MemoryStore
from transports.tail import Tail


class FaultyLayer(InMemoryChannelLayer):  # type: ignore[misc]
    """A layer that replaces each message by the list that `fault` returns."""

    fault: Callable[[dict[str, Any]], list[dict[str, Any]]] = staticmethod(lambda m: [m])
    broken = False

    async def group_send(self, group: str, message: dict[str, Any]) -> None:
        for delivered in self.fault(message):
            await super().group_send(group, delivered)

    async def receive(self, channel: str) -> dict[str, Any]:
        if self.broken:
            self.broken = False
            raise ConnectionError("the layer is gone")
        message: dict[str, Any] = await super().receive(channel)
        return message


class UnreliableHistory(MemoryStore):
    """A history that can be unavailable, or return a batch late."""

    is_unavailable = False
    gate: asyncio.Event | None = None
    reading: asyncio.Event

    async def read(self, room: str, since: Cursor | None) -> Any:
        if self.is_unavailable:
            raise StoreUnavailable("unavailable")
        batch = await super().read(room, since)
        if self.gate is not None:
            self.reading.set()
            await self.gate.wait()
        return batch


@pytest.fixture(autouse=True)
def _frequent_sweeps(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hub_module, "SWEEP_INTERVAL", 0.05)


@pytest.fixture
def no_sweep(_frequent_sweeps: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Disable the sweeps, which would read events before the layer delivers them."""
    monkeypatch.setattr(hub_module, "SWEEP_INTERVAL", 2 * BOUND)


@pytest.fixture
async def hub() -> AsyncIterator[Hub]:
    history = UnreliableHistory(length=100, backlog=5, max_rooms=100)
    faulty_hub = Hub(layer=FaultyLayer(capacity=100), store=history, backlog=5, max_rooms=3)
    yield faulty_hub
    await faulty_hub.aclose()


async def publish(hub: Hub, text: str, room: str = "r") -> Event:
    event = await hub.store.append(Draft(room, "ada", text))
    encoded = event.encoded.decode()
    message = {"type": "feed.event", "room": room, "id": event.id, "event": encoded}
    await hub.layer.group_send(group_of(room), message)
    return event


async def head_reaches(hub: Hub, event: Event) -> None:
    async with hub.using(event.room) as tail:
        await until(lambda: tail.head == event.cursor)


def channels(hub: Hub) -> set[str]:
    """Return the channels to which the layer copies the events of room r."""
    return set(hub.layer.groups.get(group_of("r"), ()))


async def test_messages_save_reads_of_the_history(hub: Hub, no_sweep: None) -> None:
    async with hub.using("r") as tail:
        start = tail.head
        events = [await publish(hub, str(n)) for n in range(20)]
        await head_reaches(hub, events[-1])
        batch = tail.after(start)
        assert batch is not None
        assert batch.events == tuple(events)
        assert hub.statistics.refills == 0


async def burst(hub: Hub, waiting: asyncio.Task[bool], events: int) -> None:
    """Publish an event in each turn of the loop, until the waiter is woken."""
    for n in range(events):
        assert hub.accept(await hub.store.append(Draft("r", "ada", str(n))))
        await asyncio.sleep(0)
        if waiting.done():
            return


async def test_a_burst_wakes_subscribers_once(
    hub: Hub, no_sweep: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tail_module, "LONGEST_DELAY", BOUND)
    async with hub.using("r") as tail:
        start = tail.head
        waiting = asyncio.create_task(tail.changed(tail.loop.time() + BOUND))
        await asyncio.sleep(0)
        await burst(hub, waiting, 20)
        assert not waiting.done()
        assert await waiting
        batch = tail.after(start)
        assert batch is not None
        assert len(batch.events) == 20


def test_timeouts_within_half_a_millisecond_end_together() -> None:
    """Uvloop has no timer for so short a delay: its `call_at` returns a handle without a time."""
    uvloop = pytest.importorskip("uvloop")

    async def load(tail: Tail) -> None:
        """Do nothing: the tail is used without its history."""

    async def wait_briefly() -> list[bool]:
        tail = Tail("r", 10, 10, load)
        deadline = tail.loop.time() + 0.0003
        return await asyncio.gather(*(tail.changed(deadline) for _ in range(3)))

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        assert runner.run(wait_briefly()) == [False] * 3


async def test_a_burst_does_not_delay_its_first_event(hub: Hub, no_sweep: None) -> None:
    async with hub.using("r") as tail:
        waiting = asyncio.create_task(tail.changed(tail.loop.time() + BOUND))
        await asyncio.sleep(0)
        await burst(hub, waiting, 100_000)
        assert waiting.result()


@pytest.mark.parametrize("lost", [{3}, {0, 1}, {18, 19}, set(range(20))])
async def test_lost_messages_are_read_from_the_history(hub: Hub, lost: set[int]) -> None:
    """A loss in the middle shows as a gap; at the end, only the comparison of heads shows it."""
    hub.layer.fault = lambda m: [] if int(_event(m).text) in lost else [m]
    async with hub.using("r") as tail:
        start = tail.head
        events = [await publish(hub, str(n)) for n in range(20)]
        await head_reaches(hub, events[-1])
        batch = tail.after(start)
        assert batch is not None
        assert batch.events == tuple(events)
        assert hub.statistics.refills > 0


async def test_a_layer_that_reports_its_losses_saves_comparisons(
    hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only if appends also wake: no message can be lost between the store and the layer."""
    sweeps, compared, ping, heads = 0, 0, hub._ping, hub.store.heads

    async def sweep(now: float) -> None:
        nonlocal sweeps
        sweeps += 1
        await ping(now)

    async def compare(rooms: Any) -> dict[str, Cursor]:
        nonlocal compared
        compared += 1
        return await heads(rooms)

    monkeypatch.setattr(hub_module, "CERTAIN_INTERVAL", 4 * BOUND)
    monkeypatch.setattr(hub, "_ping", sweep)
    monkeypatch.setattr(hub.store, "heads", compare)
    hub.store.wakes = True
    hub.layer.losses = 0
    async with hub.using("r"):
        await until(lambda: sweeps == 2)
        event = await hub.store.append(Draft("r", "ada", "lost"))
        await until(lambda: sweeps == 5)
        assert compared == 1
        hub.layer.losses = 1
        await head_reaches(hub, event)
        monkeypatch.setattr(hub_module, "CERTAIN_INTERVAL", 0.0)
        await head_reaches(hub, await hub.store.append(Draft("r", "ada", "flushed")))


async def test_duplicated_and_late_messages_are_dropped(hub: Hub) -> None:
    late: list[dict[str, Any]] = []

    def fault(message: dict[str, Any]) -> list[dict[str, Any]]:
        late.append(message)
        return [message, message, late[len(late) // 2]]

    hub.layer.fault = fault
    async with hub.using("r") as tail:
        start = tail.head
        events = [await publish(hub, str(n)) for n in range(20)]
        await head_reaches(hub, events[-1])
        batch = tail.after(start)
        assert batch is not None
        assert batch.events == tuple(events)


async def test_an_event_between_joining_and_reading_is_kept(hub: Hub) -> None:
    """The layer delivers it before the tail has a head; the hub keeps it until then."""
    before = await publish(hub, "before")
    history: UnreliableHistory = hub.store  # type: ignore[assignment]
    history.gate = asyncio.Event()
    history.reading = asyncio.Event()

    async def enter() -> tuple[Event, ...]:
        async with hub.using("r") as tail:
            batch = tail.after(None)
            assert batch is not None
            return batch.events

    entering = asyncio.create_task(enter())
    async with asyncio.timeout(BOUND):
        await history.reading.wait()
        between = await publish(hub, "between")
        await until(lambda: hub.statistics.received)
        history.gate.set()
        assert await entering == (before, between)
    assert hub.statistics.refills == 0, "no read of the history was needed"


async def test_a_failing_layer_is_joined_again(hub: Hub, monkeypatch: Any, no_sweep: None) -> None:
    monkeypatch.setattr(hub_module, "BACK_OFF", (0.01, 0.02))
    async with hub.using("r"):
        former = channels(hub)
        hub.layer.broken = True
        events = [await publish(hub, str(n)) for n in range(3)]
        await head_reaches(hub, events[-1])
        await until(lambda: hub.statistics.rejoins and channels(hub) - former)
        refills = hub.statistics.refills
        await head_reaches(hub, await publish(hub, "after"))
        assert hub.statistics.refills == refills, "the layer delivered it"


async def test_a_silent_layer_is_joined_again(hub: Hub, monkeypatch: Any) -> None:
    monkeypatch.setattr(hub_module, "PING_TIMEOUT", 0.1)
    async with hub.using("r"):
        former = channels(hub)
        # Like a pub/sub layer during an outage: no message, no error.
        hub.layer.channels.clear()
        hub.layer.groups.clear()
        hub.layer.send = _lose
        await until(lambda: channels(hub) - former)
        del hub.layer.send
        await head_reaches(hub, await publish(hub, "after"))


async def test_a_layer_is_pinged_only_after_a_silence(hub: Hub, monkeypatch: Any) -> None:
    sweeps, pings, send, heads = [], [], hub.layer.send, hub.store.heads

    async def ping(channel: str, message: dict[str, Any]) -> None:
        pings.append(message)
        await send(channel, message)

    async def sweep(rooms: Any) -> dict[str, Cursor]:
        sweeps.append(len(pings))
        return await heads(rooms)

    monkeypatch.setattr(hub.layer, "send", ping)
    monkeypatch.setattr(hub.store, "heads", sweep)
    monkeypatch.setattr(hub_module, "PING_TIMEOUT", 8 * BOUND)
    async with hub.using("r"):
        await until(lambda: len(sweeps) == 4)
        assert not pings
        hub._received_at -= 5 * BOUND
        await until(lambda: len(pings) == 1)
        assert hub.statistics.rejoins == 0


async def test_a_hung_layer_does_not_stop_the_sweeps(hub: Hub, monkeypatch: Any) -> None:
    """The sweeps read the events that a hung layer does not deliver from the history."""
    monkeypatch.setattr(hub_module, "LAYER_TIMEOUT", 0.05)
    async with hub.using("r"):
        called = asyncio.Event()

        async def never(channel: str, message: dict[str, Any]) -> None:
            called.set()
            await asyncio.Event().wait()

        hub.layer.send = never
        await called.wait()
        await head_reaches(hub, await hub.store.append(Draft("r", "ada", "untold")))
        del hub.layer.send


async def test_a_lost_group_membership_is_renewed(hub: Hub) -> None:
    """As after a flush of Redis: the layer responds, but its groups are empty."""
    async with hub.using("r"):
        hub.layer.groups.clear()
        await head_reaches(hub, await publish(hub, "read by the sweep"))
        await until(lambda: channels(hub))
        refills = hub.statistics.refills
        await head_reaches(hub, await publish(hub, "by the layer again"))
        assert hub.statistics.refills == refills


async def test_a_hung_layer_does_not_delay_the_stop(hub: Hub, monkeypatch: Any) -> None:
    monkeypatch.setattr(hub_module, "LEAVE_TIMEOUT", 0.05)
    called = asyncio.Event()

    async def never(group: str, channel: str) -> None:
        called.set()
        while True:  # redis-py can swallow a cancellation
            with contextlib.suppress(asyncio.CancelledError):
                await released.wait()
                return

    released = asyncio.Event()
    async with hub.using("r"):
        hub.layer.group_discard = never
        async with asyncio.timeout(BOUND):
            await hub.leave()
        assert called.is_set()
    released.set()


async def _lose(channel: str, message: dict[str, Any]) -> None:
    """Accept a message and lose it."""


async def test_a_new_epoch_resets_the_tail(hub: Hub) -> None:
    async with hub.using("r") as tail:
        await head_reaches(hub, await publish(hub, "before"))
        old_head = tail.head
        hub.store = MemoryStore(length=100, backlog=5, max_rooms=100)
        after = await publish(hub, "after")
        await head_reaches(hub, after)
        assert tail.after(old_head) is None, "the tail cannot serve a cursor of the former epoch"
        batch = tail.after(None)
        assert batch is not None
        assert batch.events == (after,)


async def test_a_room_cannot_be_used_without_the_history(hub: Hub) -> None:
    hub.store.is_unavailable = True  # type: ignore[attr-defined]
    with pytest.raises(StoreUnavailable):
        async with hub.using("r"):
            pass
    hub.store.is_unavailable = False  # type: ignore[attr-defined]
    async with hub.using("r") as tail:
        assert tail.head is not None


async def test_rooms_are_bounded(hub: Hub) -> None:
    async with hub.using("a"), hub.using("b"):
        async with hub.using("c"):
            with pytest.raises(TooManyRooms):
                async with hub.using("d"):
                    pass
        async with hub.using("d"):
            assert hub.rooms == 3, "the idle room was evicted"
    assert hub.users == 0


async def test_an_idle_room_leaves_its_group(hub: Hub, monkeypatch: Any) -> None:
    monkeypatch.setattr(hub_module, "LINGER", 0.0)
    async with hub.using("r"):
        assert channels(hub)
    await until(lambda: not hub.rooms and not hub.layer.groups.get(group_of("r")))


def _event(message: dict[str, Any]) -> Event:
    return Event.decode(message["event"].encode())


async def test_the_sweep_survives_any_error_of_the_history(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    history = MemoryStore(length=9, backlog=9, max_rooms=9)
    hub = Hub(layer=InMemoryChannelLayer(), store=history, backlog=9, max_rooms=9)
    async with hub.using("r") as tail:
        raised = asyncio.Event()

        async def broken(rooms: Any) -> Any:
            raised.set()
            raise AttributeError("a library's own")

        with monkeypatch.context() as patched:
            patched.setattr(history, "heads", broken)
            await raised.wait()
        event = await history.append(Draft("r", "ada", "not sent to the layer"))
        await until(lambda: tail.head == event.cursor, BOUND)
    await hub.aclose()


@pytest.mark.timeout(20)
async def test_a_room_used_again_at_once_gets_a_new_tail() -> None:
    """A new user must not loop on the finished read of the former tail."""
    history = MemoryStore(length=9, backlog=9, max_rooms=9)
    hub = Hub(layer=InMemoryChannelLayer(), store=history, backlog=9, max_rooms=2)

    async def use(room: str) -> None:
        async with hub.using(room):
            entered.add(room)
            await asyncio.sleep(60)

    entered: set[str] = set()
    tasks = [asyncio.create_task(use("other"))]
    await until(lambda: "other" in entered, BOUND)
    tasks.append(asyncio.create_task(use("room")))
    await asyncio.sleep(0)  # the task that reads its history is about to begin
    tasks[1].cancel()
    tasks.append(asyncio.create_task(use("third")))  # it replaces the first room, which is idle
    tasks[0].cancel()
    tasks.append(asyncio.create_task(use("room")))
    await until(lambda: "room" in entered, BOUND)
    for task in tasks:
        task.cancel()
    await asyncio.wait(tasks)
    await hub.aclose()
