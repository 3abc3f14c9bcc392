"""Numbers on the command line: one that would leave nothing to be tested is refused."""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable


def at_least(least: float) -> Callable[[str], float]:
    """What argparse takes as `type`: a finite number, `least` or more."""

    def number(text: str) -> float:
        value = float(text)  # argparse says what a ValueError is about
        if not least <= value < math.inf:
            raise argparse.ArgumentTypeError(f"at least {least:g}, not {text}")
        return value

    return number
