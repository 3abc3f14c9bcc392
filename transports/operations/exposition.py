"""`GET /metrics`: the process's numbers in Prometheus' text format.

Each process answers for itself. For operators: a proxy keeps it from the world.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator
from dataclasses import asdict
from itertools import accumulate
from typing import Any

from prometheus_client import (
    CollectorRegistry,
    GCCollector,
    PlatformCollector,
    ProcessCollector,
    generate_latest,
)
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)
from prometheus_client.registry import Collector

from transports import feed
from transports.http.base import answer
from transports.http.scope import Receive, Scope, Send
from transports.hub import Hub
from transports.operations.metrics import BOUNDS, Histogram, Metrics, metrics
from transports.registry import TECHNIQUES

CONTENT_TYPE = b"text/plain; version=0.0.4; charset=utf-8"


class FeedCollector(Collector):
    """Reads `Metrics` and the running loop's hub."""

    def __init__(self, source: Metrics) -> None:
        self.source = source

    def describe(self) -> Iterable[Metric]:
        return ()  # registered once, in a registry of its own: nothing to check it against

    def collect(self) -> Iterator[Metric]:
        yield from self._by_technique()
        yield _histogram("publish_seconds", "How long a publish took.", self.source.published)
        yield CounterMetricFamily(
            "realtime_publish_failures",
            "Publishes that the history did not take.",
            value=self.source.unpublished,
        )
        yield _histogram(
            "hub_lag_seconds",
            "From an event's publication to this process, through the channel layer.",
            self.source.hub_lag,
        )
        yield from _of_hub(feed.hub())
        yield GaugeMetricFamily(
            "realtime_tasks", "Tasks of the event loop.", value=len(asyncio.all_tasks())
        )

    def _by_technique(self) -> Iterator[Metric]:
        open_now = GaugeMetricFamily(
            "realtime_connections", "Requests being answered and open sockets.", labels=LABELS
        )
        counters = {
            name: CounterMetricFamily(f"realtime_{name}", text, labels=LABELS)
            for name, text in (
                ("opened", "Requests answered and sockets opened."),
                ("deliveries", "Events handed to a client's connection."),
                ("batches", "Batches that carried them."),
                ("resets", "Clients told that events can no longer be given."),
            )
        }
        delay = HistogramMetricFamily(
            "realtime_delivery_seconds",
            "From an event's publication to a client's connection; the backlog is left out.",
            labels=LABELS,
        )
        for technique in TECHNIQUES:  # used so far or not: rate() misses a series' first value
            meter, labels = self.source.meters[technique.name], [technique.name]
            open_now.add_metric(labels, meter.connections)
            for name, counter in counters.items():
                counter.add_metric(labels, getattr(meter, name))
            delay.add_metric(labels, _buckets(meter.delay), meter.delay.total)
        yield from (open_now, *counters.values(), delay)


LABELS = ["technique"]


def _of_hub(hub: Hub) -> Iterator[Metric]:
    texts = {
        "received": "Events from the channel layer.",
        "refills": "Reads of the history to fill a hole.",
        "rejoins": "Times the channel layer was joined anew.",
    }
    for name, value in asdict(hub.statistics).items():
        text = texts.get(name, name)
        yield CounterMetricFamily(f"realtime_hub_{name}", text, value=value)
    yield GaugeMetricFamily("realtime_hub_users", "Who follows a room here.", value=hub.users)
    yield GaugeMetricFamily("realtime_hub_rooms", "Rooms in use here.", value=hub.rooms)


def _histogram(name: str, text: str, histogram: Histogram) -> HistogramMetricFamily:
    return HistogramMetricFamily(
        f"realtime_{name}", text, buckets=_buckets(histogram), sum_value=histogram.total
    )


def _buckets(histogram: Histogram) -> list[tuple[str, float]]:
    bounds = [*(f"{bound:g}" for bound in BOUNDS), "+Inf"]
    return list(zip(bounds, accumulate(histogram.counts), strict=True))


registry = CollectorRegistry()
registry.register(FeedCollector(metrics))
for _collector in (ProcessCollector, PlatformCollector, GCCollector):
    _collector(registry=registry)


class MetricsEndpoint:
    """`GET /metrics`."""

    @classmethod
    def as_asgi(cls) -> Any:
        return cls()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await answer(send, 200, CONTENT_TYPE, generate_latest(registry))
