"""The lane of an exercise on the demo's page. Independent of Django: the settings import it."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

from transports.registry import Technique

PREFIX = "exercise"  # of the addresses: an exercise may use the address of a technique
# The client on the page, by the kind of response.
KINDS: dict[str, dict[str, Any]] = {
    "poll": {
        "scheme": "http",
        "response_ends": "at once",
        "framing": "batch",
        "source": "polling/source.js:PollingSource",
    },
    "long poll": {
        "scheme": "http",
        "response_ends": "with events",
        "framing": "batch",
        "source": "longpoll/source.js:LongPollingSource",
    },
    "lines": {
        "scheme": "http",
        "response_ends": "never",
        "framing": "lines",
        "source": "streaming/source.js:StreamingSource",
        "media_type": "application/x-ndjson",
        "around_event": "\n",
    },
    "event stream": {
        "scheme": "http",
        "response_ends": "never",
        "framing": "event stream",
        "source": "streaming/source.js:ServerSentEventsSource",
        "media_type": "text/event-stream",
        "around_event": "id: {id}\ndata: \n\n",
    },
    "events": {
        "scheme": "ws",
        "response_ends": "never",
        "framing": "events",
        "source": "realtime_demo/workshop/source.js:EventsSource",
    },
}


def kind_of(name: str) -> str:
    """Return the kind of response of the exercise `name`, a key of KINDS."""
    kind: str = _lane(name)["kind"]
    return kind


def _lane(name: str) -> dict[str, str]:
    file = Path(__file__).parent / "exercises" / name / "exercise.toml"
    lane: dict[str, str] = tomllib.loads(file.read_text())["lane"]
    return lane


def technique(name: str) -> Technique:
    """Return the technique of the exercise `name`, for the package `lane` in its folder."""
    lane = _lane(name)
    return Technique(
        name=f"exercise-{name}",
        label=f"exercises/{name}",
        path=f"/{PREFIX}/{lane['path']}/{{room}}/",
        client="lane.client:events",
        colour=("#F0E442", "#7A6F00"),
        caveats=(),
        **KINDS[lane["kind"]],
    )
