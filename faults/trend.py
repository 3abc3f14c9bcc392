"""Whether a series of samples is flat: its slope, with the interval that the noise leaves open."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from statistics import fmean, linear_regression
from typing import Literal

BLOCK = 60.0  # seconds that are averaged: samples a moment apart are not independent
Verdict = Literal["flat", "grows", "shrinks", "unknown"]


@dataclass(frozen=True)
class Trend:
    """`slope` and the half-width `margin` of its 95 % interval, both for an hour."""

    mean: float
    slope: float
    margin: float
    tolerance: float  # for an hour: what counts as nothing

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
    """Of (seconds, value): least squares over means of `block` seconds.

    The standard error of the slope is the textbook's, s / √Σ(x - x̄)², and the quantile of
    Student's t that of Abramowitz and Stegun 26.7.5, first term.
    """
    blocks = [
        (fmean(at for at, _ in group), fmean(value for _, value in group))
        for group in (list(found) for _, found in groupby(samples, lambda each: each[0] // block))
    ]
    values = [value for _, value in blocks]
    if len(blocks) < 4:
        return Trend(fmean(values), math.nan, math.inf, tolerance)
    hours = [at / 3600 for at, _ in blocks]
    slope, intercept = linear_regression(hours, values)
    freedom = len(blocks) - 2
    residual = sum((y - intercept - slope * x) ** 2 for x, y in zip(hours, values, strict=True))
    middle = fmean(hours)
    spread = sum((x - middle) ** 2 for x in hours)
    error = math.sqrt(residual / freedom / spread)
    z = 1.959964
    quantile = z + (z**3 + z) / (4 * freedom)
    return Trend(fmean(values), slope, quantile * error, tolerance)
