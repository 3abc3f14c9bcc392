"""Lower bounds of numbers on the command line."""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable


def at_least(least: float) -> Callable[[str], float]:
    """Return a `type` for argparse: a finite number, `least` or more."""

    def number(text: str) -> float:
        value = float(text)  # argparse reports a ValueError
        if not least <= value < math.inf:
            raise argparse.ArgumentTypeError(f"expected at least {least:g}; got {text}")
        return value

    return number
