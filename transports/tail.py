"""The tail of a room in use: its latest events, and the waiters for the next one."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine, Generator
from itertools import islice
from typing import Any, Self

from transports.events import Batch, Cursor, Event

TICK = 0.05  # seconds by which a timeout may be late
# Turns of the loop without an event after which waiters are woken. A client that publishes without
# waiting for each response causes an event at least every third turn.
QUIET_TURNS = 4
LONGEST_DELAY = 0.005  # seconds an event may wait for those that follow it

Until = Callable[[], Coroutine[Any, Any, None]]
Load = Callable[["Tail"], Awaitable[None]]  # reads the history into a tail


class Tail:
    """The last `length` events of `room`, without a gap up to `head`, and its waiters.

    A subscriber is only a cursor: subscribers at the same position share one batch, which is
    therefore encoded once. The room is in use while an `async with` block lasts.
    """

    def __init__(self, room: str, length: int, backlog: int, load: Load) -> None:
        self.room = room
        self.loop = asyncio.get_running_loop()
        self.head: Cursor | None = None  # None until the history has been read
        self.users = 0  # open `async with` blocks
        self.generation = 0  # changes when all subscriptions have to end
        self.idle_since = 0.0  # on the loop's clock, in seconds; valid while users is 0
        self._backlog = backlog
        self._load = load
        self._events: deque[Event] = deque(maxlen=length)
        self._batches: dict[Cursor | None, Batch] = {}  # by the position before them
        self._waiters: dict[asyncio.Future[bool] | _Interruption, float] = {}  # their deadlines
        self._timer: asyncio.TimerHandle | None = None
        self._timer_due = 0.0  # uvloop's handles of less than half a millisecond have no `when`
        self._turns = 0  # of the loop, until the waiters are woken
        self._wake_by = 0.0  # on the monotonic clock

    async def __aenter__(self) -> Self:
        self.users += 1
        try:
            while self.head is None:
                await asyncio.shield(self._load(self))
        except BaseException:
            await self.__aexit__()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        self.users -= 1
        self.idle_since = self.loop.time()

    def after(self, since: Cursor | None) -> Batch | None:
        """Return the events after `since` (without it: the backlog); None if not in the tail."""
        batch = self._batches.get(since)
        if batch is not None or self.head is None:
            return batch
        available = len(self._events)
        if since is None:
            behind = min(self._backlog, self.head.seq)
        elif since.belongs_to(self.head.epoch):
            behind = self.head.seq - since.seq
        else:
            return None
        if not 0 <= behind <= available:
            return None
        events = tuple(islice(self._events, available - behind, None))
        batch = self._batches[since] = Batch(self.room, self.head, events)
        return batch

    def contains(self, identity: str) -> bool:
        """Return whether the tail has advanced to or past the event with this id."""
        if self.head is None:
            return False
        cursor = Cursor.parse(identity)
        return self.head.belongs_to(cursor.epoch) and cursor.seq <= self.head.seq

    def append(self, event: Event) -> bool:
        """Append the next event; return False if events before it are missing."""
        assert self.head is not None
        cursor = event.cursor
        if self.head.belongs_to(cursor.epoch):
            if cursor.seq <= self.head.seq:
                return True  # already read from the history
            if cursor.seq == self.head.seq + 1:
                self._events.append(event)
                self._advance(cursor)
                return True
        return False

    def extend(self, batch: Batch) -> None:
        """Append the batch and advance to its cursor; a `reset` in it clears the tail."""
        if self.head is None:
            self._events.clear()
        for event in batch.events:
            if event.type == "reset":
                self._events.clear()
            else:
                self._events.append(event)
        if batch.cursor != self.head:
            self._advance(batch.cursor)

    def _advance(self, head: Cursor) -> None:
        self.head = head
        self._batches.clear()
        if not self._waiters:
            return  # woken subscribers have yet to read the tail
        if not self._turns:
            self._wake_by = time.monotonic() + LONGEST_DELAY
            self.loop.call_soon(self._wake_when_quiet)
        self._turns = QUIET_TURNS

    def _wake_when_quiet(self) -> None:
        """Wake the waiters once no event follows, so that each receives a burst as one batch."""
        self._turns -= 1
        if self._turns and time.monotonic() < self._wake_by:
            self.loop.call_soon(self._wake_when_quiet)
        else:
            self._turns = 0
            self.wake()

    def wake(self) -> None:
        waiters, self._waiters = self._waiters, {}
        for waiter in waiters:
            if not waiter.done():
                waiter.set_result(True)

    async def changed(self, deadline: float, until: Until | None = None) -> bool:
        """Wait for the next change; return False at `deadline`, or once `until()` has returned.

        `deadline` is in seconds on the loop's clock.
        """
        waiter = self.waiter(deadline, until)
        try:
            return await waiter
        finally:
            self._waiters.pop(waiter, None)

    def waiter(
        self, deadline: float, until: Until | None = None
    ) -> asyncio.Future[bool] | _Interruption:
        """Return an awaitable with the result of `changed`.

        If it is cancelled, it stays registered until the next change or `deadline`.
        """
        waiter = self.loop.create_future() if until is None else _Interruption(until)
        self._waiters[waiter] = deadline
        if self._timer is None or deadline < self._timer_due:
            self._set_timer(deadline)
        return waiter

    def _set_timer(self, deadline: float) -> None:
        # One timer for all waiters: one for each would cost more than the wait itself.
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self.loop.call_at(deadline, self._expire, deadline)
        self._timer_due = deadline

    def _expire(self, due: float) -> None:
        self._timer = None
        now = max(due, self.loop.time())  # the loop may run a timer slightly early
        for waiter, deadline in list(self._waiters.items()):
            if deadline <= now:
                del self._waiters[waiter]
                if not waiter.done():
                    waiter.set_result(False)
        if self._waiters:
            # Group close deadlines, so that 10,000 waiters do not cause 10,000 scans.
            self._set_timer(max(min(self._waiters.values()), now + TICK))


class _Interruption:
    """A waiter like a future, whose task runs `until()`; setting the result interrupts it.

    A second task for each long poll would take a third of its CPU time.
    """

    def __init__(self, until: Until) -> None:
        self._until, self._task = until, asyncio.current_task()
        self._result: bool | None = None

    def done(self) -> bool:
        return self._result is not None

    def set_result(self, result: bool) -> None:
        self._result = result
        if self._task is not None:
            self._task.cancel()

    def __await__(self) -> Generator[Any, None, bool]:
        """Return the result, or False once `until()` has returned."""
        try:
            yield from self._until().__await__()
        except asyncio.CancelledError:
            # Cancelled from elsewhere too: see `asyncio.timeout`.
            if self._result is None or self._task is None or self._task.uncancel():
                raise
            return self._result
        return False
