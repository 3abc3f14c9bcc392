"""`GET /theory/`: the predicted delay and requests of each technique, for the page."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse

from realtime_demo.comparison.theory import NetworkPath, Sizes, Workload, predict
from realtime_demo.demo.state import BANDWIDTH, RATE, ROUND_TRIP
from realtime_demo.tap.network import Network
from transports.http.names import shown
from transports.http.problems import Problem
from transports.http.views import api_view, json_response
from transports.registry import TECHNIQUES

Query = Mapping[str, str]

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


def _parameters(query: Query) -> tuple[Workload, NetworkPath]:
    arrivals = query.get("arrivals", "poisson")
    if arrivals not in ("poisson", "fixed"):
        raise Problem(
            400, "arrivals", f"'arrivals' must be poisson or fixed; got {shown(arrivals)}."
        )
    workload = Workload(
        rate=_number(query, "rate", 1.0, RATE),
        arrivals="fixed" if arrivals == "fixed" else "poisson",
        interval=_number(query, "interval", 1000.0, INTERVAL) / 1000,
        heartbeat=settings.HEARTBEAT,
    )
    bandwidth = math.inf
    if query.get("bandwidth"):
        bandwidth = _number(query, "bandwidth", 0.0, BANDWIDTH) * 1000
    network = Network.of(
        _number(query, "rtt", 0.0, (0, ROUND_TRIP)) / 1000,
        _number(query, "jitter", 0.0, (0, ROUND_TRIP)) / 1000,
        bandwidth,
    )
    return workload, NetworkPath(network, SERVICE)


def _number(query: Query, name: str, default: float, bounds: tuple[float, float]) -> float:
    text, (least, most) = query.get(name, ""), bounds
    if not text:
        return default
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not least <= value <= most:  # also rejects NaN
        raise Problem(
            400, name, f"'{name}' must be a number from {least:g} to {most:g}; got {shown(text)}."
        )
    return value


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
