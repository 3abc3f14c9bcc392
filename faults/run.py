"""The run of one fault, and the check of every client's events afterwards."""

from __future__ import annotations

import asyncio
import contextlib
import math
import ssl
import uuid
from collections import Counter, defaultdict
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

import httpx

from realtime_demo.tap.proxy import Tap
from transports.client import batch_of
from transports.events import Batch, Cursor
from transports.registry import TECHNIQUES, Technique

from .clients import Follower, trust
from .deployment import Deployment
from .faults import TASK_LINES, Fault
from .publisher import SENDER, RetryingPublisher, current_cursor
from .testbed import BOUND, Testbed, until

RECOVERY = 5.0  # seconds: the longest recovery that passes
# Counts of a client's ledger that a row sums.
COUNTS = ("delivered", "lost", "duplicated", "out_of_order", "resets", "missed", "uncounted")
CALM = 2.0  # seconds of undisturbed feed on either side of the fault


@dataclass
class Row:
    """The results of one technique in one fault, summed over its clients."""

    fault: str
    technique: str
    clients: int
    sent: int  # events of the feed that each client should receive
    delivered: int = 0
    lost: int = 0
    duplicated: int = 0
    out_of_order: int = 0
    altered: int = 0  # events that differ from the history's
    resets: int = 0
    missed: int = 0  # events that the resets reported as missed
    uncounted: int = 0  # resets without a number of missed events
    recovery: float = 0.0  # seconds until the last client had an event published after the fault
    delay: float = 0.0  # median delay of events published after the recovery, in seconds

    @property
    def is_whole(self) -> bool:
        return not (self.lost or self.duplicated or self.out_of_order or self.altered)


@dataclass
class Outcome:
    """The results of one fault."""

    fault: Fault
    rows: list[Row]
    acknowledged: int  # publishes answered 201
    failed: int  # attempts without 201
    retried: int  # failed attempts that were repeated with the same key
    missing: int  # answered 201, but missing in the feed although Redis lost nothing
    lost_by_redis: int  # answered 201, but lost by Redis itself
    published_twice: int  # texts that are in the feed more than once
    notes: list[str] = field(default_factory=list)
    unproven: list[str] = field(default_factory=list)  # expected effects that were not observed

    @property
    def recovery(self) -> float:
        return max(row.recovery for row in self.rows)

    @property
    def complaints(self) -> list[str]:
        """The expectations that do not hold; empty if the deployment survived the fault."""
        complaints = [
            f"{row.technique}: {row.lost} lost, {row.duplicated} duplicated, "
            f"{row.out_of_order} out of order, {row.altered} altered"
            for row in self.rows
            if not row.is_whole
        ]
        complaints += [
            f"{row.technique}: {row.recovery:.1f} s to recover"
            for row in self.rows
            if not row.recovery < RECOVERY
        ]
        if self.missing:
            complaints.append(f"{self.missing} answered 201, but missing in the feed")
        if self.lost_by_redis and not self.fault.loses_events:
            complaints.append(f"Redis lost {self.lost_by_redis}")
        if self.published_twice:
            complaints.append(f"{self.published_twice} published twice")
        if self.fault.loses_events and any(row.resets < row.clients for row in self.rows):
            complaints.append("not every client received a reset")
        complaints += [f"the fault did not occur: {reason}" for reason in self.unproven]
        resets = any(row.resets for row in self.rows)
        if resets != (self.fault.resets or self.fault.loses_events):
            complaints.append("unexpected resets" if resets else "no reset")
        return complaints

    def document(self) -> dict[str, Any]:
        return {
            "fault": self.fault.name,
            "title": self.fault.title,
            "recovery": self.recovery,
            "complaints": self.complaints,
            "acknowledged": self.acknowledged,
            "refused": self.failed,
            "repeated": self.retried,
            "false": self.missing,
            "forgotten": self.lost_by_redis,
            "published_twice": self.published_twice,
            "notes": self.notes,
            "rows": [asdict(row) for row in self.rows],
        }


async def run(
    fault: Fault,
    deployment: Deployment,
    clock: Path,
    *,
    clients: int,
    rate: float,
    calm: float = CALM,
    techniques: Sequence[Technique] = TECHNIQUES,
) -> Outcome:
    """Inject the fault while `clients` of each technique follow a feed of `rate` a second.

    Raise `TimeoutError` if the fault does not end, or a client does not recover.
    """
    trust(deployment.paths.certificate)
    tls = ssl.create_default_context(cafile=str(deployment.paths.certificate))
    room = f"{'staff-' if fault.as_staff else ''}fault-{uuid.uuid4().hex[:12]}"
    headers = await asyncio.to_thread(deployment.staff) if fault.as_staff else {}
    async with (
        httpx.AsyncClient(base_url=deployment.url, verify=tls, timeout=30, headers=headers) as http,
        Tap("127.0.0.1", deployment.paths.port) as tap,
    ):
        since = await current_cursor(http, room)
        publisher = RetryingPublisher(
            deployment.url, room, fault.rate or rate, tls, headers=headers
        )
        testbed = Testbed(deployment, http, tap, publisher, clock)
        url = f"https://127.0.0.1:{tap.port}" if fault.tapped else deployment.url
        followers = [
            Follower(technique, url, room, since, headers=headers)
            for technique in techniques
            for _ in range(fault.clients or clients)
        ]
        testbed.followers = followers
        history, ended = await feed(
            http, publisher, followers, since, lambda: fault.inject(testbed), calm
        )
    return account(fault, followers, publisher, history, ended, testbed.notes, testbed.unproven)


async def feed(
    http: httpx.AsyncClient,
    publisher: RetryingPublisher,
    followers: Sequence[Follower],
    since: Cursor,
    disturb: Callable[[], Awaitable[float | None]],
    calm: float = CALM,
) -> tuple[Batch, float]:
    """Disturb the feed once; return its history, and the loop's time of the disturbance's end."""
    async with asyncio.TaskGroup() as group:
        following = [group.create_task(follower.follow()) for follower in followers]
        publishing = group.create_task(publisher.run())
        await until(lambda: all(follower.arrivals for follower in followers))
        await asyncio.sleep(calm)
        ended = await disturb() or asyncio.get_running_loop().time()
        await until(
            lambda: all(_recovery(each, publisher, ended) is not None for each in followers)
        )
        await asyncio.sleep(calm)
        publisher.stop()
        await publishing
        history = await history_after(http, publisher.room, since)
        with contextlib.suppress(TimeoutError):
            await until(lambda: all(each.position == history.cursor for each in followers), 20)
        for task in following:
            task.cancel()
    return history, ended


async def history_after(http: httpx.AsyncClient, room: str, since: Cursor) -> Batch:
    """Return all events after `since` in the history, as soon as the server answers 200."""
    async with asyncio.timeout(BOUND):
        while True:
            with contextlib.suppress(httpx.TransportError):
                response = await http.get(f"/polling/{room}/", params={"since": str(since)})
                if response.status_code == 200:
                    return batch_of(response.json())
            await asyncio.sleep(0.2)


def _recovery(follower: Follower, publisher: RetryingPublisher, ended: float) -> float | None:
    """Return the seconds from the fault's end to the first event published after it."""
    for at, event in follower.arrivals:
        if at >= ended and publisher.first_attempts.get(event.text, 0.0) >= ended:
            return at - ended
    return None


def account(
    fault: Fault,
    followers: list[Follower],
    publisher: RetryingPublisher,
    history: Batch,
    ended: float,
    notes: list[str],
    unproven: list[str],
) -> Outcome:
    """Compare each follower with `history`, by the events' numbers and texts."""
    events = {event.id: event for event in history.events if event.type != "reset"}
    first = min((event.cursor.seq for event in events.values()), default=1)
    epoch = history.cursor.epoch
    acknowledged = publisher.acknowledged.values()
    lost_by_redis = [
        event for event in acknowledged if event.cursor.epoch != epoch and event.id not in events
    ]
    missing = [
        event
        for event in acknowledged
        if event.cursor.epoch == epoch
        and event.cursor.seq >= first
        and events.get(event.id) != event
    ]
    texts = Counter(event.text for event in events.values() if event.sender == SENDER)
    lines = [event.text for event in events.values() if event.sender != SENDER]
    if lines and len(lines) != TASK_LINES:
        notes.append(f"lines published by the task: {len(lines)} instead of {TASK_LINES}")
    rows: dict[str, Row] = {}
    delays: defaultdict[str, list[float]] = defaultdict(list)
    for follower in followers:
        name = follower.technique.name
        sent = history.cursor.seq + len(lost_by_redis)
        row = rows.setdefault(name, Row(fault.name, name, 0, sent))
        ledger = follower.ledger
        ledger.close(history.cursor)
        row.clients += 1
        for count in COUNTS:
            setattr(row, count, getattr(row, count) + getattr(ledger, count))
        row.altered += sum(
            event.id in events and events[event.id] != event for _, event in follower.arrivals
        )
        received = Counter(event.text for _, event in follower.arrivals if event.sender == SENDER)
        row.duplicated += sum(count - 1 for count in received.values())
        # Across epochs, the numbers do not show which events were skipped; the texts do.
        row.lost += max(0, len(texts.keys() - received.keys()) - ledger.missed - ledger.lost)
        recovery = _recovery(follower, publisher, ended)
        row.recovery = max(row.recovery, recovery if recovery is not None else math.inf)
        delays[name] += [
            at - publisher.first_attempts[event.text]
            for at, event in follower.arrivals
            if publisher.first_attempts.get(event.text, 0.0) > ended + row.recovery
        ]
    for name, row in rows.items():
        row.delay = median(delays[name]) if delays[name] else math.nan
    return Outcome(
        fault,
        list(rows.values()),
        acknowledged=publisher.answered,
        failed=publisher.failed,
        retried=publisher.retried,
        missing=len(missing),
        lost_by_redis=len(lost_by_redis),
        published_twice=sum(count > 1 for count in texts.values()),
        notes=notes,
        unproven=unproven,
    )
