"""The two properties in which techniques differ: the end of the response, and the framing."""

from __future__ import annotations

from typing import Literal

ResponseEnds = Literal["at once", "at the first batch", "never"]
Framing = Literal["batch", "lines", "sse", "websocket"]

FRAMINGS = ("polling", "longpoll", "streaming", "sse", "websocket")  # of adapters


def response_ends(technique: str) -> ResponseEnds:
    match technique:
        case "polling":
            return "at once"
        case "longpoll":
            return "at the first batch"
    return "never"


def asks(technique: str) -> bool:
    """Return whether each response needs its own request."""
    return response_ends(technique) != "never"


def framing(technique: str) -> Framing:
    if asks(technique):
        return "batch"
    if technique.startswith("websocket"):
        return "websocket"
    return "sse" if technique == "sse" else "lines"
