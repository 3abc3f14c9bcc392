"""`GET /theory/`: the predicted delay and requests of each technique, for the page."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse

from realtime_demo.comparison.theory import NetworkPath, Sizes, Workload, predict
from realtime_demo.demo.state import FeedSettings, NetworkSettings, number
from transports.http.problems import Problem
from transports.http.views import api_view, json_response
from transports.registry import TECHNIQUES

POINTS = 48  # of the distribution
INTERVAL = (0.0, 3_600_000.0)  # ms
# Bytes, which matter on a slow link: a response's head, and a generated event with its framing.
SIZES = Sizes(down=230.0, event=250.0)
SERVICE = 0.002  # seconds of processing in browser and server for a round trip


@api_view("GET", "HEAD")
async def theory(request: HttpRequest) -> HttpResponse:
    """Serve a prediction for each technique: `?rate=&interval=&rtt=&jitter=&bandwidth=&arrivals=`.

    `rate` in events a second, times in milliseconds, `bandwidth` in kB/s. 400 if the events exceed
    the bandwidth.
    """
    workload, path = _parameters(request.GET)
    try:
        return json_response(
            {technique.name: _document(technique.name, workload, path) for technique in TECHNIQUES}
        )
    except ValueError as error:
        raise Problem(400, "bandwidth", str(error)) from error


def _parameters(query: Mapping[str, str]) -> tuple[Workload, NetworkPath]:
    values = {name: _value(text) for name, text in query.items() if text}
    feed = FeedSettings().changed(_only(values, "rate", "arrivals"))
    network = NetworkSettings().changed(_only(values, "rtt", "jitter", "bandwidth"))
    workload = Workload(
        rate=feed.rate,
        arrivals=feed.arrivals,
        interval=number(values, "interval", 1000.0, INTERVAL) / 1000,
        heartbeat=settings.HEARTBEAT,
    )
    return workload, NetworkPath(network.network, SERVICE)


def _value(text: str) -> float | str:
    try:
        return float(text)
    except ValueError:
        return text


def _only(values: Mapping[str, Any], *names: str) -> dict[str, Any]:
    return {name: value for name, value in values.items() if name in names}


def _document(technique: str, workload: Workload, path: NetworkPath) -> dict[str, Any]:
    prediction = predict(technique, workload, path, SIZES)
    delay = prediction.delay
    steps = [delay.longest * step / (POINTS - 1) for step in range(POINTS)]
    return {
        "median": delay.quantile(0.5),
        "p95": delay.quantile(0.95),
        "mean": delay.mean,
        "density": [[round(at, 6), round(delay.cdf(at), 6)] for at in steps],
        "requests_per_event": prediction.requests_per_event,
        "empty_share": prediction.empty_share,
    }
