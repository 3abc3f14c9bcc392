"""The summary of a measurement, from constructed evidence."""

from __future__ import annotations

import math

import pytest

from realtime_demo.comparison.load import Mark, RequestProbe, SubscriberCounts
from realtime_demo.comparison.plan import Settings
from realtime_demo.comparison.results import EventProbe, GeneratorFigures, Measurement, Sample, Sent
from realtime_demo.comparison.summary import Evidence, Window, summarise
from realtime_demo.tap.proxy import Counts

SETTINGS = Settings(techniques=("polling",), clients=1, rate=0.1, duration=10, interval=1.0)
PROBE = RequestProbe(0.0, 100.0, 200.0, 6)


def polled(warmed: list[float], refused: int = 0) -> Measurement:
    """Return a window from 10 to 20 s, polled at 10.4, 11.4, …, with one event at 15.0."""
    sent = (Sent(0, 15.0, 15.0, 15.0, 15.0, 9),)

    def marks(time: float, requests: int = 0, empty: int = 0, received: int = 0) -> list[Mark]:
        wire = Counts(connections=1, requests=requests)
        counts = SubscriberCounts(wire, empty=empty, received=received)
        return [Mark("polling", time, 0.0, counts=counts)]

    window = Window(
        sent=sent,
        refused=refused,
        every=(15.0,),
        identity=6.0,
        event_size=150.0,
        began=marks(10.0),
        ended=marks(20.0, requests=10, empty=9 - len(warmed), received=1),
        cpu=math.nan,
        generator=GeneratorFigures(0.0, 0.0, 0.0, 0.0),
    )
    evidence = Evidence(
        settings=SETTINGS,
        room="r",
        tapped=True,
        alone=True,
        warmed=warmed,
        window=window,
        ends=window.ended,
        probes={"polling": PROBE},
        event_probe=EventProbe(),
        memory=math.nan,
        samples={"polling": [Sample(0, 0, 15.4)]},
        request_times={"polling": [[0.4 + k for k in range(21)]]},
    )
    return summarise(evidence, SETTINGS.adapters[0])


@pytest.mark.parametrize(("warmed", "empty"), [([], 0.9), ([9.7], 0.8), ([7.0, 9.7], 0.8)])
def test_first_response_may_have_warm_up_events(warmed: list[float], empty: float) -> None:
    measurement = polled(warmed)
    assert measurement.simulated.requests == 10
    assert measurement.simulated.empty == pytest.approx(empty)
    assert measurement.simulated.delays == pytest.approx((0.4,)), "only of the window's events"
    assert measurement.published.mean == pytest.approx(0.4)
    assert (measurement.cost.requests_per_event, measurement.ledger.received) == (10, 1)
    assert math.isnan(measurement.cost.cpu) and math.isnan(measurement.cost.memory)
    assert measurement.sizes.up == 100.0


def test_ledger_counts_rejected_publishes() -> None:
    """Publishes that the server rejected count as sent, so the ledger is incomplete."""
    ledger = polled([], refused=2).ledger
    assert (ledger.sent, ledger.received, ledger.lost, ledger.refused) == (1, 1, 0, 2)
    assert not ledger.complete and polled([]).ledger.complete
