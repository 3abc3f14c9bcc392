"""The measured window: events at their intended times, and counts at its beginning and its end."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from transports.events import Cursor, InvalidCursor

from . import schedule
from .clients import Marks
from .figures import quantile
from .ledger import Sent
from .phase import MeasurementFailed, Phase
from .result import Watch

LEAD = 0.1  # seconds between giving the order to publish and the first intended time
SHOWN = 0.5  # seconds between looks for the screen


@dataclass(frozen=True)
class Window:
    """What was published in a window, and what was counted of it.

    `refused` are events that were to be published in it and failed. `cpu` are the server's
    seconds in it, what publishing takes left out (None: not known).
    """

    sent: tuple[Sent, ...]
    refused: int
    every: tuple[float, ...]  # when each event was published, the warm-up's too
    identity: float  # the mean length of an event's id, and the bytes of its JSON
    event_size: float
    began: Marks
    ended: Marks
    cpu: float | None
    watch: Watch


async def observe(phase: Phase) -> Window:
    """Warm up under load, and measure. Raises `MeasurementFailed` where nothing was published."""
    settings = phase.settings
    length = settings.warmup + settings.duration
    times = schedule.times(settings.rate, length, settings.arrivals, settings.seed)
    start = time.monotonic() + LEAD
    publishing = asyncio.create_task(
        phase.load.ask(
            "run",
            room=phase.clients.room,
            start=start,
            times=times,
            # Numbers of the warm-up are negative, and so are left out of every figure.
            first=-sum(offset < settings.warmup for offset in times),
            size=settings.size,
        )
    )
    try:
        await asyncio.sleep(max(0.0, start + settings.warmup - time.monotonic()))
        began, cpu_began = await phase.clients.marks(), phase.target.cpu()
        end = start + length
        while (left := end - time.monotonic()) > 0:
            await asyncio.sleep(min(SHOWN, left))
            await _show(phase, 1 - max(0.0, end - time.monotonic()) / length)
        ended, cpu_ended = await phase.clients.marks(), phase.target.cpu()
        answer = await publishing
    finally:
        publishing.cancel()
    every = sorted((_sent(phase, event) for event in answer["events"]), key=lambda e: e.published)
    sent = sorted(event for event in every if event.number >= 0)
    if not sent:
        said = answer["failures"][0] if answer["failures"] else "no event fell into the window"
        raise MeasurementFailed(f"Nothing was published: {said}.")
    cpu = None
    if cpu_began is not None and cpu_ended is not None:
        cpu = cpu_ended - cpu_began - (phase.target.publish_cpu or 0.0) * len(sent)
    return Window(
        sent=tuple(sent),
        refused=sum(number >= 0 for number in answer["refused"]),
        every=tuple(event.published for event in every),
        identity=_mean([len(str(event["id"])) for event in answer["events"]]),
        event_size=_mean([event["size"] for event in answer["events"]]),
        began=began,
        ended=ended,
        cpu=cpu,
        watch=_watch(answer, began, ended),
    )


def _sent(phase: Phase, event: dict[str, Any]) -> Sent:
    try:
        seq = Cursor.parse(str(event["id"])).seq
    except InvalidCursor:
        seq = event["index"] + 1_000_000
    return Sent(
        number=event["index"],
        intended=event["intended"],
        actual=event["sent"],
        published=phase.published(event),
        acknowledged=event["acknowledged"],
        seq=seq,
    )


def _watch(answer: dict[str, Any], began: Marks, ended: Marks) -> Watch:
    wall = max(1e-9, ended[0]["time"] - began[0]["time"])
    return Watch(
        publisher_busy=answer["busy"],
        subscriber_busy=max(
            (b["cpu"] - a["cpu"]) / wall for a, b in zip(began, ended, strict=True)
        ),
        publisher_late=quantile(answer["late"], 0.9),
        subscriber_late=max(quantile(mark["lags"] or [0.0], 0.9) for mark in ended),
        failures=tuple(answer["failures"]),
        errors=tuple(
            error for mark in ended for one in mark["groups"].values() for error in one["errors"]
        ),
    )


async def _show(phase: Phase, done: float) -> None:
    received: dict[str, int] = {}
    medians: dict[str, float] = {}
    for mark in await phase.clients.marks():
        for name, group in mark["groups"].items():
            received[name] = received.get(name, 0) + group["received"]
            if group["median"] is not None:
                medians[name] = group["median"] + phase.target.clock.offset
    phase.tell("measuring", done, received=received, medians=medians)


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)
