"""`GET /metrics`: the metrics of one process in Prometheus' text format.

For operators: a proxy should block public access.
"""

from __future__ import annotations

import asyncio
import time
from bisect import bisect_left
from collections.abc import Iterator
from dataclasses import asdict
from itertools import accumulate

import prometheus_client
from django.http import HttpRequest, HttpResponse
from prometheus_client import CollectorRegistry, Counter, Histogram
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)
from prometheus_client.registry import Collector

from transports import hub
from transports.events import Batch
from transports.http.views import api_view, response
from transports.registry import TECHNIQUES
from transports.telemetry import Meter, Telemetry

# Upper bounds in seconds; the last bucket is unbounded. A local delivery takes about a
# millisecond, polling up to its interval, an outage longer.
BOUNDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 60.0)

prometheus_client.disable_created_metrics()  # type: ignore[no-untyped-call]
registry = CollectorRegistry()
PUBLISHED = Histogram(
    "realtime_publish_seconds", "Duration of a publish.", registry=registry, buckets=BOUNDS
)
UNPUBLISHED = Counter(
    "realtime_publish_failures", "Publishes that the history rejected.", registry=registry
)
HUB_LAG = Histogram(
    "realtime_hub_lag_seconds",
    "From an event's publication to its arrival in this process.",
    registry=registry,
    buckets=BOUNDS,
)


class TechniqueMeter(Meter):
    """The counters of one technique, as plain numbers.

    prometheus-client's metrics take a lock on each update: at every batch for every subscriber
    they would make a delivery a third more expensive.
    """

    def __init__(self) -> None:
        self.connections = self.opens = self.deliveries = self.batches = self.resets = 0
        self.delays = [0] * (len(BOUNDS) + 1)
        self.delay = 0.0

    def opened(self) -> None:
        self.connections += 1
        self.opens += 1

    def closed(self) -> None:
        self.connections -= 1

    def delivered(self, batch: Batch, *, live: bool = True) -> None:
        events = batch.events
        if not events:
            return
        self.batches += 1
        self.deliveries += len(events)
        if len(events) > 1 or events[0].type == "reset":
            self.resets += sum(event.type == "reset" for event in events)
        if live:
            seconds = time.time() - events[-1].published_at
            # Clocks of two machines may differ: clamp a negative delay.
            if seconds < 0.0:  # max() takes five times as long
                seconds = 0.0
            self.delays[bisect_left(BOUNDS, seconds)] += 1
            self.delay += seconds


class Prometheus(Telemetry):
    """Telemetry for Prometheus."""

    # All techniques, even unused ones: rate() misses the first value of a series.
    meters = {each.name: TechniqueMeter() for each in TECHNIQUES}

    def meter(self, technique: str) -> TechniqueMeter:
        return self.meters[technique]

    def published(self, seconds: float) -> None:
        PUBLISHED.observe(seconds)

    def publish_failed(self) -> None:
        UNPUBLISHED.inc()

    def received(self, seconds: float) -> None:
        HUB_LAG.observe(max(0.0, seconds))


class TechniqueCollector(Collector):
    """Collector of the techniques' meters."""

    COUNTERS = {
        "opened": ("opens", "Requests answered and sockets opened."),
        "deliveries": ("deliveries", "Events sent to clients."),
        "batches": ("batches", "Batches of events sent to clients."),
        "resets": ("resets", "Reset events sent to clients whose events were trimmed."),
    }

    def collect(self) -> Iterator[Metric]:
        labels = ["technique"]
        text = "Requests in progress and open sockets."
        connections = GaugeMetricFamily("realtime_connections", text, labels=labels)
        text = "From an event's publication to its sending to a client, without the backlog."
        delay = HistogramMetricFamily("realtime_delivery_seconds", text, labels=labels)
        bounds = [*map(prometheus_client.utils.floatToGoString, BOUNDS), "+Inf"]
        for name, meter in Prometheus.meters.items():
            connections.add_metric([name], meter.connections)
            buckets = list(zip(bounds, accumulate(meter.delays), strict=True))
            delay.add_metric([name], buckets, meter.delay)
        yield from (connections, delay)
        for counted, (attribute, text) in self.COUNTERS.items():
            counter = CounterMetricFamily(f"realtime_{counted}", text, labels=labels)
            for name, meter in Prometheus.meters.items():
                counter.add_metric([name], getattr(meter, attribute))
            yield counter


class HubCollector(Collector):
    """Collector of the running loop's hub."""

    TEXTS = {
        "received": "Events from the channel layer.",
        "refills": "Reads of the history to fill a gap.",
        "rejoins": "Times the channel layer was joined again.",
    }

    def collect(self) -> Iterator[Metric]:
        current = hub.current()
        for name, value in asdict(current.statistics).items():
            yield CounterMetricFamily(f"realtime_hub_{name}", self.TEXTS[name], value=value)
        for name, text, count in (
            ("realtime_hub_users", "Subscribers and waiting requests.", current.users),
            ("realtime_hub_rooms", "Rooms in use.", current.rooms),
            ("realtime_tasks", "Tasks of the event loop.", len(asyncio.all_tasks())),
        ):
            yield GaugeMetricFamily(name, text, value=count)


registry.register(TechniqueCollector())
registry.register(HubCollector())
for _collector in (
    prometheus_client.ProcessCollector,
    prometheus_client.PlatformCollector,
    prometheus_client.GCCollector,
):
    _collector(registry=registry)


@api_view("GET", "HEAD")
async def metrics(request: HttpRequest) -> HttpResponse:
    body = prometheus_client.generate_latest(registry)
    return response(body, 200, "text/plain; version=0.0.4; charset=utf-8")
