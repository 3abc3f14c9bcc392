"""Percentiles of all samples merged, and confidence intervals on the median."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import chain, pairwise
from statistics import NormalDist, fmean, stdev

CONFIDENCE = 0.95
BLOCKS, FEWEST_BLOCKS = 30, 5


def quantile(ordered: Sequence[float], share: float) -> float:
    """Return the smallest sample that `share` of the samples do not exceed.

    The inverse of the empirical distribution (Hyndman and Fan 1996, type 1). `ordered` is sorted
    and not empty.
    """
    return ordered[min(len(ordered) - 1, max(0, math.ceil(share * len(ordered)) - 1))]


def tail(ordered: Sequence[float], share: float, events: int) -> float:
    """Return `quantile`, or NaN if fewer than one of the events is expected beyond it.

    Events count, not samples: the deliveries of one event to a hundred clients are correlated.
    """
    return quantile(ordered, share) if round(events * (1 - share), 9) >= 1 else math.nan


@dataclass(frozen=True)
class Spread:
    """A summary of a distribution, in the samples' unit.

    NaN is unknown: everything without a sample; the 90th percentile of fewer than 10 events, the
    99th of fewer than 100, the 99.9th of fewer than 1,000.
    """

    count: int
    mean: float
    p50: float
    p90: float
    p99: float
    p999: float
    longest: float
    low: float  # the 95 % confidence interval on the median
    high: float

    @classmethod
    def of(cls, clusters: Iterable[Sequence[float]]) -> Spread:
        """Summarise all samples of `clusters`.

        A cluster has one event's delays to all its clients; clusters are in order of time. See
        `tail`, and `median_interval` over `blocks`.
        """
        groups = [cluster for cluster in clusters if cluster]
        merged = sorted(chain.from_iterable(groups))
        if not merged:
            return cls(0, *[math.nan] * 8)
        low, high = median_interval(blocks(groups), merged)
        return cls(
            len(merged),
            fmean(merged),
            quantile(merged, 0.5),
            tail(merged, 0.9, len(groups)),
            tail(merged, 0.99, len(groups)),
            tail(merged, 0.999, len(groups)),
            merged[-1],
            low,
            high,
        )


def blocks(clusters: Iterable[Sequence[float]]) -> list[list[float]]:
    """Join clusters, which are in order of time, to blocks of equally many clusters.

    Events near each other in time are correlated: by a process moved to another core, by other
    load on the machine, by a phase. Blocks longer than that correlation are independent ("batch
    means": Schmeiser, Operations Research 30, 1982, recommends 10 to 30 blocks). There are as
    many blocks as events in each, and 30 at most.
    """
    groups = [cluster for cluster in clusters if cluster]
    number = min(BLOCKS, max(FEWEST_BLOCKS, round(math.sqrt(len(groups)))), len(groups))
    edges = [len(groups) * k // number for k in range(number + 1)] if groups else []
    return [list(chain.from_iterable(groups[a:b])) for a, b in pairwise(edges)]


def median_interval(
    clusters: Sequence[Sequence[float]], ordered: Sequence[float]
) -> tuple[float, float]:
    """Return the 95 % confidence interval on the median of clustered samples.

    Woodruff's interval (Journal of the American Statistical Association 47, 1952): the
    share p of samples at or below the median is a ratio over the clusters, whose variance is
    that of a ratio estimator (Cochran, Sampling Techniques, 1977, §9.11); the interval is
    read off the samples at ½ ± t·√var(p). For clusters of one sample it is, except for rounding,
    the binomial interval of order statistics. With fewer than three clusters the interval is the
    whole range.
    """
    number = len(clusters)
    if number < 3:
        return ordered[0], ordered[-1]
    median = quantile(ordered, 0.5)
    total = len(ordered)
    share = bisect_right(ordered, median) / total
    mean_size = total / number
    squares = math.fsum(
        (sum(sample <= median for sample in cluster) - share * len(cluster)) ** 2
        for cluster in clusters
    )
    error = math.sqrt(squares / number / (number - 1)) / mean_size
    # Ties at the median (a coarse clock) can make all clusters equal: the interval always
    # reaches the next sample on either side.
    reach = max(student(number - 1) * error, 1 / total)
    return quantile(ordered, max(0.0, 0.5 - reach)), quantile(ordered, min(1.0, 0.5 + reach))


def interval_between_runs(medians: Sequence[float]) -> tuple[float, float]:
    """Return the mean of several runs' medians, and the half-width of its 95 % interval.

    Memory layout, scheduling and other load differ between runs; more samples of one run do not
    show that (Kalibera and Jones, "Rigorous Benchmarking in Reasonable Time", 2013). Requires two
    runs; three or more are useful.
    """
    number = len(medians)
    return fmean(medians), student(number - 1) * stdev(medians) / math.sqrt(number)


def mean_of_known(values: Iterable[float]) -> float:
    """Return the mean of the values that are not NaN, or NaN."""
    known = [value for value in values if not math.isnan(value)]
    return fmean(known) if known else math.nan


def student(freedom: int) -> float:
    """Return the 97.5 % point of Student's t for `freedom` degrees of freedom.

    By the expansion of Abramowitz and Stegun 26.7.5 (within 0.5 % from 4 degrees of freedom on),
    and from a table below that.
    """
    if freedom < 4:
        return {1: 12.706, 2: 4.303, 3: 3.182}[freedom]
    z = NormalDist().inv_cdf(0.5 + CONFIDENCE / 2)
    g1 = (z**3 + z) / 4
    g2 = (5 * z**5 + 16 * z**3 + 3 * z) / 96
    g3 = (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / 384
    return z + g1 / freedom + g2 / freedom**2 + g3 / freedom**3
