"""What is probed of the machine: the work of an event, and not of the pause behind it."""

from __future__ import annotations

from types import SimpleNamespace
from typing import cast

import pytest

from realtime_demo.comparison import measurement
from realtime_demo.comparison.measurement import probe_events, silence
from realtime_demo.comparison.phase import Phase
from realtime_demo.comparison.plan import Settings
from realtime_demo.comparison.results import EventProbe
from realtime_demo.comparison.subscribers import Mark

IDLE, SERVER, CLIENTS, PUBLISH = 0.5, 0.02, 0.03, 0.004  # CPU seconds: a second; an event


class Machine:
    """A server and two processes of clients that are busy at nothing half of the time.

    Its time is its own: no other process has any of it.
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


def a_phase(rtt: float, *, alone: bool = True, waited: bool = True) -> Phase:
    machine = Machine()
    made = SimpleNamespace(
        settings=Settings(clients=2, rtt=rtt, duration=0.6),
        target=machine,
        clients=machine,
        publish=machine.publish,
        names=("sse",),
        alone=alone,
        waited=waited,
    )
    return cast(Phase, made)


@pytest.mark.parametrize("rtt", [0.0, 0.02])
async def test_an_event_s_cpu_is_not_the_pause_s(
    monkeypatch: pytest.MonkeyPatch, rtt: float
) -> None:
    """The pause is longer the longer the network is; the work of an event is the same."""
    phase = a_phase(rtt)
    for clock in ("time", "asyncio"):
        monkeypatch.setattr(measurement, clock, phase.target)
    silent = await silence(phase)
    probe = await probe_events(phase, 0, silent) + await probe_events(phase, 1, silent)
    assert len(probe.published) >= 2 * measurement.FEWEST
    assert probe.server == pytest.approx(SERVER, abs=0.001)
    assert probe.clients == pytest.approx(CLIENTS, abs=0.001)


async def test_together_an_event_s_cpu_is_not_told() -> None:
    """What the processes did in the pauses was for everyone's clients."""
    together = a_phase(0.0, alone=False)
    assert await silence(together) is None
    assert EventProbe().clients is EventProbe({-9: 1.0}).server is None
    polling = a_phase(0.0, waited=False)
    assert await silence(polling) is None
    assert await probe_events(polling, 0, None) == EventProbe()
