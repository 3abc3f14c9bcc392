"""Groups of techniques, by what a test depends on."""

from __future__ import annotations

from transports.registry import TECHNIQUES

SOCKETS = [technique for technique in TECHNIQUES if technique.scheme == "ws"]
OVER_HTTP = [technique for technique in TECHNIQUES if technique.scheme == "http"]
BATCHES = [technique for technique in TECHNIQUES if technique.name in ("polling", "longpoll")]
ENDLESS = [technique for technique in TECHNIQUES if technique not in BATCHES]
STREAMS = [technique for technique in ENDLESS if technique.scheme == "http"]
WAITING = [technique for technique in TECHNIQUES if technique.response_ends != "at once"]
