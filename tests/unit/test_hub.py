"""The hub, over a channel layer that loses, doubles, delays and fails."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from channels.layers import InMemoryChannelLayer

from tests.support.waiting import BOUND, until
from transports import hub as hub_module
from transports.events import Cursor, Draft, Event
from transports.feed import group_of
from transports.hub import Hub, TooManyRooms
from transports.store.base import StoreUnavailable
from transports.store.memory import MemoryStore


class FaultyLayer(InMemoryChannelLayer):  # type: ignore[misc]
    """Passes messages on as `fault` says: a list of what becomes of each one."""

    fault: Callable[[dict[str, Any]], list[dict[str, Any]]] = staticmethod(lambda m: [m])
    broken = False

    async def group_send(self, group: str, message: dict[str, Any]) -> None:
        for each in self.fault(message):
            await super().group_send(group, each)

    async def receive(self, channel: str) -> dict[str, Any]:
        if self.broken:
            self.broken = False
            raise ConnectionError("the layer is gone")
        message: dict[str, Any] = await super().receive(channel)
        return message


class AwayHistory(MemoryStore):
    """A history that can be away, or slow to give what it has read."""

    away = False
    gate: asyncio.Event | None = None
    reading: asyncio.Event

    async def read(self, room: str, since: Cursor | None) -> Any:
        if self.away:
            raise StoreUnavailable("away")
        batch = await super().read(room, since)
        if self.gate is not None:
            self.reading.set()
            await self.gate.wait()
        return batch


@pytest.fixture(autouse=True)
def _brisk(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hub_module, "SWEEP_INTERVAL", 0.05)


@pytest.fixture
def no_sweep(_brisk: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """None that could find in the history what is on its way by the layer."""
    monkeypatch.setattr(hub_module, "SWEEP_INTERVAL", 2 * BOUND)


@pytest.fixture
async def hub() -> AsyncIterator[Hub]:
    history = AwayHistory(length=100, backlog=5, max_rooms=100)
    made = Hub(layer=FaultyLayer(capacity=100), store=history, backlog=5, max_rooms=3)
    yield made
    await made.aclose()


async def publish(hub: Hub, text: str, room: str = "r") -> Event:
    event = await hub.store.append(Draft(room, "ada", text))
    message = {"type": "feed.event", "room": room, "event": event.encoded.decode()}
    await hub.layer.group_send(group_of(room), message)
    return event


async def head_reaches(hub: Hub, event: Event) -> None:
    tail = hub._tails[event.room]
    await until(lambda: tail.head == event.cursor)


async def test_messages_save_the_reads(hub: Hub, no_sweep: None) -> None:
    async with hub.using("r") as tail:
        start = tail.head
        events = [await publish(hub, str(n)) for n in range(20)]
        await head_reaches(hub, events[-1])
        batch = tail.after(start)
        assert batch is not None
        assert batch.events == tuple(events)
        assert hub.statistics.refills == 0


@pytest.mark.parametrize("lost", [{3}, {0, 1}, {18, 19}, set(range(20))])
async def test_a_loss_is_filled_from_the_history(hub: Hub, lost: set[int]) -> None:
    """In the middle it shows as a hole; at the end, only the regular look at the heads tells."""
    hub.layer.fault = lambda m: [] if int(_event(m).text) in lost else [m]
    async with hub.using("r") as tail:
        start = tail.head
        events = [await publish(hub, str(n)) for n in range(20)]
        await head_reaches(hub, events[-1])
        batch = tail.after(start)
        assert batch is not None
        assert batch.events == tuple(events)
        assert hub.statistics.refills > 0


async def test_doubles_and_stragglers_are_dropped(hub: Hub) -> None:
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


async def test_published_between_joining_and_reading(hub: Hub) -> None:
    """It arrives by the layer before the tail has a head, and is kept until it has one."""
    before = await publish(hub, "before")
    history: AwayHistory = hub.store  # type: ignore[assignment]
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
    assert hub.statistics.refills == 0, "nothing had to be looked for"


async def test_a_layer_that_fails_is_joined_anew(
    hub: Hub, monkeypatch: Any, no_sweep: None
) -> None:
    monkeypatch.setattr(hub_module, "BACK_OFF", (0.01, 0.02))
    async with hub.using("r"):
        hub.layer.broken = True
        events = [await publish(hub, str(n)) for n in range(3)]
        await head_reaches(hub, events[-1])
        await until(lambda: hub.statistics.rejoins and hub._joined.is_set())
        refills = hub.statistics.refills
        await head_reaches(hub, await publish(hub, "after"))
        assert hub.statistics.refills == refills, "it came by the layer again"


async def test_a_layer_that_falls_silent_is_joined_anew(hub: Hub, monkeypatch: Any) -> None:
    monkeypatch.setattr(hub_module, "PING_PATIENCE", 0.1)
    async with hub.using("r"):
        former = hub._channel
        # As a pub/sub layer in an outage: nothing arrives, nothing is raised.
        hub.layer.channels.pop(former, None)
        hub.layer.groups.clear()
        hub.layer.send = _into_the_void
        await until(lambda: hub._channel != former)
        del hub.layer.send
        await head_reaches(hub, await publish(hub, "after"))


async def test_a_layer_that_never_answers_stops_no_sweep(hub: Hub, monkeypatch: Any) -> None:
    """As one whose connection is silent: what it does not bring is found in the history."""
    monkeypatch.setattr(hub_module, "LAYER_PATIENCE", 0.05)
    async with hub.using("r"):
        asked = asyncio.Event()

        async def never(channel: str, message: dict[str, Any]) -> None:
            asked.set()
            await asyncio.Event().wait()

        hub.layer.send = never
        await asked.wait()
        await head_reaches(hub, await hub.store.append(Draft("r", "ada", "untold")))
        del hub.layer.send


async def test_a_place_in_the_group_that_was_lost_is_taken_again(hub: Hub) -> None:
    """As by a Redis that was flushed: the layer still answers, and has no groups any more."""
    async with hub.using("r"):
        hub.layer.groups.clear()
        await head_reaches(hub, await publish(hub, "found by the sweep"))
        await until(lambda: hub._channel in hub.layer.groups.get(group_of("r"), {}))
        refills = hub.statistics.refills
        await head_reaches(hub, await publish(hub, "by the layer again"))
        assert hub.statistics.refills == refills


async def test_a_layer_that_never_answers_holds_up_no_end(hub: Hub, monkeypatch: Any) -> None:
    monkeypatch.setattr(hub_module, "LEAVING", 0.05)
    asked = asyncio.Event()

    async def never(group: str, channel: str) -> None:
        asked.set()
        while True:  # redis-py can swallow a cancellation
            with contextlib.suppress(asyncio.CancelledError):
                await released.wait()
                return

    released = asyncio.Event()
    async with hub.using("r"):
        hub.layer.group_discard = never
        async with asyncio.timeout(BOUND):
            await hub.leave()
        assert asked.is_set()
    released.set()


async def _into_the_void(channel: str, message: dict[str, Any]) -> None:
    """A send that is taken and lost."""


async def test_an_epoch_that_starts_over_starts_the_tail_over(hub: Hub) -> None:
    async with hub.using("r") as tail:
        await head_reaches(hub, await publish(hub, "before"))
        old = tail.head
        hub.store._rooms.clear()  # type: ignore[attr-defined]
        after = await publish(hub, "after")
        await head_reaches(hub, after)
        assert tail.after(old) is None, "the history tells what was missed"
        batch = tail.after(None)
        assert batch is not None
        assert batch.events == (after,)


async def test_without_the_history_nobody_comes_in(hub: Hub) -> None:
    hub.store.away = True  # type: ignore[attr-defined]
    with pytest.raises(StoreUnavailable):
        async with hub.using("r"):
            pass
    hub.store.away = False  # type: ignore[attr-defined]
    async with hub.using("r") as tail:
        assert tail.head is not None


async def test_rooms_are_bounded(hub: Hub) -> None:
    async with hub.using("a"), hub.using("b"):
        async with hub.using("c"):
            with pytest.raises(TooManyRooms):
                async with hub.using("d"):
                    pass
        async with hub.using("d"):
            assert set(hub._tails) == {"a", "b", "d"}, "the idle one gave way"
    assert hub.users == 0


async def test_an_idle_room_is_left(hub: Hub, monkeypatch: Any) -> None:
    monkeypatch.setattr(hub_module, "LINGER", 0.0)
    async with hub.using("r"):
        assert hub._channel in hub.layer.groups[group_of("r")]
    await until(lambda: not hub.rooms and not hub.layer.groups.get(group_of("r")))


def _event(message: dict[str, Any]) -> Event:
    return Event.decode(message["event"].encode())


async def test_whatever_the_history_raises_the_sweep_goes_on(
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
        event = await history.append(Draft("r", "ada", "nobody is told"))
        await until(lambda: tail.head == event.cursor, BOUND)
    await hub.aclose()


@pytest.mark.timeout(20)
async def test_a_room_comes_back_in_the_turn_in_which_its_former_tail_was_read() -> None:
    """Who asks for it then does not wait, without a pause, for what is done."""
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
    tasks.append(asyncio.create_task(use("third")))  # in the place of the first, which is idle
    tasks[0].cancel()
    tasks.append(asyncio.create_task(use("room")))
    await until(lambda: "room" in entered, BOUND)
    for task in tasks:
        task.cancel()
    await asyncio.wait(tasks)
    await hub.aclose()
