"""When the publisher means to send: an open loop, fixed before the run by its seed."""

from __future__ import annotations

import random

from .theory import Arrivals


def times(rate: float, seconds: float, arrivals: Arrivals, seed: int) -> list[float]:
    """The intended send times in [0, `seconds`), in seconds from the start.

    Poisson: exponential gaps of mean 1 / `rate`. Fixed: every 1 / `rate` seconds from a random
    phase on. The same seed gives the same times, whatever the server does.
    """
    chance = random.Random(f"times {seed}")
    gap = 1 / rate
    now = chance.expovariate(rate) if arrivals == "poisson" else chance.uniform(0, gap)
    found: list[float] = []
    while now < seconds:
        found.append(now)
        now += chance.expovariate(rate) if arrivals == "poisson" else gap
    return found


def phases(clients: int, period: float, seed: int) -> list[float]:
    """When each of so many polling clients first asks, in seconds from the start.

    One falls at random into each `clients`-th part of the period: random for each client, as
    real ones are, and together an even sample of it, which narrows the error of the mean.
    """
    chance = random.Random(f"phases {seed}")
    return [(number + chance.random()) * period / clients for number in range(clients)]


def text(index: int, size: int) -> str:
    """The text of event `index`, padded to `size` characters; `index_of` reads it back."""
    return f"{index} ".ljust(size, ".") if size > len(str(index)) else str(index)


def index_of(text: str) -> int | None:
    """The index in an event's text, or None for an event that is not of this run."""
    first = text.partition(" ")[0]
    return int(first) if first.lstrip("-").isdecimal() else None
