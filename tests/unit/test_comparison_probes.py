"""Probes of the machine: the CPU time of an event, without that of the pauses."""

from __future__ import annotations

import math
from types import SimpleNamespace
from typing import cast

import pytest

from realtime_demo.comparison import measurement
from realtime_demo.comparison.load import Mark
from realtime_demo.comparison.measurement import Phase, probe_events, silence
from realtime_demo.comparison.plan import Settings
from realtime_demo.comparison.results import EventProbe

IDLE, SERVER, CLIENTS, PUBLISH = 0.5, 0.02, 0.03, 0.004  # CPU seconds, a second or an event


class Machine:
    """A simulated server and two client processes that use half a CPU when idle.

    Time is simulated, so that other processes do not matter.
    """

    publish_cpu = PUBLISH

    def __init__(self) -> None:
        self.events = 0
        self.time = 0.0

    def monotonic(self) -> float:
        return self.time

    async def sleep(self, seconds: float) -> None:
        self.time += seconds + 0.001  # as timers are

    def cpu(self) -> float:
        return IDLE * self.time + self.events * (SERVER + PUBLISH)

    async def marks(self) -> list[Mark]:
        cpu = (IDLE * self.time + self.events * CLIENTS) / 2
        return [Mark("sse", self.time, cpu)] * 2

    async def publish(self, number: int) -> float:
        self.events += 1
        self.time += 0.005
        return float(number)


def phase_of(rtt: float, *, alone: bool = True, waited: bool = True) -> Phase:
    machine = Machine()
    phase = SimpleNamespace(
        settings=Settings(clients=2, rtt=rtt, duration=0.6),
        target=machine,
        marks=machine.marks,
        publish=machine.publish,
        names=("sse",),
        alone=alone,
        waited=waited,
    )
    return cast(Phase, phase)


@pytest.mark.parametrize("rtt", [0.0, 0.02])
async def test_event_cpu_excludes_the_pauses(monkeypatch: pytest.MonkeyPatch, rtt: float) -> None:
    """A longer round trip makes longer pauses, but does not change the work of an event."""
    phase = phase_of(rtt)
    for clock in ("time", "asyncio"):
        monkeypatch.setattr(measurement, clock, phase.target)
    silent = await silence(phase)
    probe = await probe_events(phase, 0, silent) + await probe_events(phase, 1, silent)
    assert len(probe.published) >= 2 * measurement.FEWEST
    assert probe.server == pytest.approx(SERVER, abs=0.001)
    assert probe.clients == pytest.approx(CLIENTS, abs=0.001)


async def test_event_cpu_is_unknown_with_several_techniques() -> None:
    """The work in the pauses cannot be attributed to one technique."""
    together = phase_of(0.0, alone=False)
    assert await silence(together) is None
    assert math.isnan(EventProbe({-9: 1.0}).server + EventProbe().clients)
    polling = phase_of(0.0, waited=False)
    assert await silence(polling) is None
    assert await probe_events(polling, 0, None) == EventProbe()
