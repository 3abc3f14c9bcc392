"""The metrics of a process, as Prometheus reads them."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any, cast

import httpx
import pytest
from channels.routing import URLRouter
from django.test import override_settings
from prometheus_client.parser import text_string_to_metric_families

from streaming.routing import http_urlpatterns
from tests.contract.feeds import collect, cursor_of, publish
from tests.support.live import LiveServer
from tests.support.waiting import BOUND
from transports.events import Batch, Cursor, Event
from transports.http import stream
from transports.operations.metrics import Prometheus, registry
from transports.registry import TECHNIQUES
from transports.store.base import now


def event(seq: int, kind: str = "message") -> Event:
    return Event(f"e-{seq}", kind, "r", "ada", "hi", now())  # type: ignore[arg-type]


def counted(name: str) -> float:
    """Return this process's value of polling, or in total."""
    labels = {"technique": "polling"}
    return registry.get_sample_value(name, labels) or registry.get_sample_value(name) or 0.0


async def test_a_meter_counts_batches_events_and_resets() -> None:
    names = [
        "realtime_connections",
        "realtime_opened_total",
        "realtime_batches_total",
        "realtime_deliveries_total",
        "realtime_resets_total",
        "realtime_delivery_seconds_count",
    ]
    before = [counted(name) for name in names]
    meter = Prometheus().meter("polling")
    meter.opened()
    assert counted("realtime_connections") == before[0] + 1
    meter.delivered(Batch("r", Cursor("e", 0)))
    meter.delivered(Batch("r", Cursor("e", 2), (event(1, "reset"), event(2))), live=False)
    meter.delivered(Batch("r", Cursor("e", 4), (event(3), event(4))))
    meter.closed()
    increments = [counted(name) - value for name, value in zip(names, before, strict=True)]
    assert increments == [0, 1, 2, 4, 1, 1], "the backlog has no delay"


@override_settings(MAY_ENTER="")
async def test_a_rejected_request_is_not_counted_as_open(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream, "telemetry", Prometheus)
    before = Prometheus.meters["streaming"].connections
    transport = httpx.ASGITransport(cast(Any, URLRouter(http_urlpatterns)))
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as http:
        response = await http.get("/streaming/lobby/?since=yesterday")
    assert response.status_code == 400
    assert Prometheus.meters["streaming"].connections == before


async def test_a_negative_lag_counts_as_zero() -> None:
    """The clocks of two machines may disagree."""
    count, total = (f"realtime_hub_lag_seconds_{suffix}" for suffix in ("count", "sum"))
    before = counted(count), counted(total)
    Prometheus().received(-1.0)
    assert (counted(count), counted(total)) == (before[0] + 1, before[1])


def samples(text: str) -> Iterator[tuple[tuple[str, str], float]]:
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            if "le" not in sample.labels:
                yield (sample.name, sample.labels.get("technique", "")), sample.value


@pytest.fixture
def server() -> Iterator[LiveServer]:
    with LiveServer(env={"REDIS_URL": "", "DEBUG": "0"}) as server:
        yield server


async def read(http: httpx.AsyncClient) -> dict[tuple[str, str], float]:
    response = await http.get("/metrics")
    assert response.headers["content-type"].startswith("text/plain; version=0.0.4")
    return dict(samples(response.text))


@pytest.mark.own_server
async def test_a_servers_metrics_match_its_clients(server: LiveServer, room: str) -> None:
    names = [technique.name for technique in TECHNIQUES]
    async with httpx.AsyncClient(base_url=server.url) as http:
        metrics = await read(http)
        for counter in ("connections", "opened_total", "resets_total", "delivery_seconds_count"):
            for name in names:  # before the first client
                assert metrics[f"realtime_{counter}", name] == 0, (counter, name)
        since = await cursor_of(http, room)
        await publish(http, room, map(str, range(7)))
        for technique in TECHNIQUES:
            await collect(technique, server.url, room, since, count=7)
        async with asyncio.timeout(BOUND):
            while True:
                metrics = await read(http)
                if not any(metrics["realtime_connections", name] for name in names):
                    break
                await asyncio.sleep(0.05)
        for name in names:
            assert metrics["realtime_deliveries_total", name] == 7, name
            assert metrics["realtime_resets_total", name] == 0
        assert metrics["realtime_publish_seconds_count", ""] == 7
        assert metrics["realtime_publish_failures_total", ""] == 0
        assert metrics["process_open_fds", ""] > 0
        async with http.stream("GET", f"/streaming/{room}/") as opened:
            lines = opened.aiter_lines()
            await anext(lines)
            assert (await read(http))["realtime_connections", "streaming"] == 1
            (sent,) = await publish(http, room, ["live"])
            async for line in lines:
                if sent.id in line:
                    break
            metrics = await read(http)
            assert metrics["realtime_delivery_seconds_count", "streaming"] == 1
            assert metrics["realtime_hub_lag_seconds_count", ""] >= 1
