"""The trend of a series of samples: its slope, with a confidence interval."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from statistics import fmean, linear_regression
from typing import Literal

BLOCK = 60.0  # seconds of samples that are averaged, since consecutive ones are not independent
Verdict = Literal["flat", "grows", "shrinks", "unknown"]


@dataclass(frozen=True)
class Trend:
    """A slope and the half-width `margin` of its 95 % interval, both per hour."""

    least: float  # of the samples
    most: float
    mean: float
    slope: float
    margin: float
    tolerance: float  # per hour: a slope within it counts as flat

    @property
    def verdict(self) -> Verdict:
        """`flat` only where the whole interval is within the tolerance (a test of equivalence)."""
        low, high = self.slope - self.margin, self.slope + self.margin
        if -self.tolerance <= low and high <= self.tolerance:
            return "flat"
        if low > 0:
            return "grows"
        return "shrinks" if high < 0 else "unknown"


def trend(samples: Sequence[tuple[float, float]], tolerance: float, block: float = BLOCK) -> Trend:
    """Fit a line to samples of (seconds, value), by least squares over means of `block` seconds.

    The standard error of the slope is s / √Σ(x - x̄)². The quantile of Student's t is the first
    term of Abramowitz and Stegun 26.7.5.
    """
    blocks = [
        (fmean(at for at, _ in group), fmean(value for _, value in group))
        for group in (
            list(members) for _, members in groupby(samples, lambda pair: pair[0] // block)
        )
    ]
    values = [value for _, value in blocks]
    extremes = min(value for _, value in samples), max(value for _, value in samples)
    if len(blocks) < 4:
        return Trend(*extremes, fmean(values), math.nan, math.inf, tolerance)
    hours = [at / 3600 for at, _ in blocks]
    slope, intercept = linear_regression(hours, values)
    freedom = len(blocks) - 2
    residual = sum((y - intercept - slope * x) ** 2 for x, y in zip(hours, values, strict=True))
    middle = fmean(hours)
    spread = sum((x - middle) ** 2 for x in hours)
    error = math.sqrt(residual / freedom / spread)
    z = 1.959964
    quantile = z + (z**3 + z) / (4 * freedom)
    return Trend(*extremes, fmean(values), slope, quantile * error, tolerance)
