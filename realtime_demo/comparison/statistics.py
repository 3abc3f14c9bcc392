"""The figures: percentiles from all samples merged, and how far the median can be trusted."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import NormalDist

CONFIDENCE = 0.95
BLOCKS, FEWEST_BLOCKS = 30, 5


def quantile(ordered: Sequence[float], share: float) -> float:
    """The smallest sample that `share` of the samples do not exceed (the inverse of the
    empirical distribution: Hyndman and Fan 1996, type 1). `ordered` is sorted, not empty."""
    return ordered[min(len(ordered) - 1, max(0, math.ceil(share * len(ordered)) - 1))]


def tail(ordered: Sequence[float], share: float, events: int) -> float:
    """As `quantile`, and NaN where the samples are of too few events for one to lie beyond it.

    A hundred clients of one event share its luck: they are no hundred events.
    """
    return quantile(ordered, share) if round(events * (1 - share), 9) >= 1 else math.nan


@dataclass(frozen=True)
class Spread:
    """A distribution's summary, in the samples' own unit. NaN is what is not known: everything
    without a sample; the 90th percentile of fewer than 10 events, the 99th of fewer than 100, the
    99.9th of fewer than 1,000."""

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
        """The spread of all samples merged, which came in clusters: one event's delays to all its
        clients each, in the order of time. See `tail`, and `median_interval` over `blocks`.
        """
        groups = [cluster for cluster in clusters if cluster]
        merged = sorted(sample for group in groups for sample in group)
        if not merged:
            nan = math.nan
            return cls(0, nan, nan, nan, nan, nan, nan, nan, nan)
        low, high = median_interval(blocks(groups), merged)
        return cls(
            len(merged),
            math.fsum(merged) / len(merged),
            quantile(merged, 0.5),
            tail(merged, 0.9, len(groups)),
            tail(merged, 0.99, len(groups)),
            tail(merged, 0.999, len(groups)),
            merged[-1],
            low,
            high,
        )


def blocks(clusters: Iterable[Sequence[float]]) -> list[list[float]]:
    """Clusters in the order of time, joined to stretches of as many clusters each.

    Events near each other in time share more than chance: a process that was moved to another
    core, a neighbour on the machine, a phase. Stretches longer than that memory are independent
    where events are not ("batch means": Schmeiser, Operations Research 30, 1982, who finds 10 to
    30 of them enough); there are as many as events in each, and 30 at most.
    """
    groups = [cluster for cluster in clusters if cluster]
    number = min(BLOCKS, max(FEWEST_BLOCKS, round(math.sqrt(len(groups)))))
    number = min(number, len(groups))
    return [
        [
            sample
            for group in groups[len(groups) * k // number : len(groups) * (k + 1) // number]
            for sample in group
        ]
        for k in range(number)
    ]


def median_interval(
    clusters: Sequence[Sequence[float]], ordered: Sequence[float]
) -> tuple[float, float]:
    """The 95 % confidence interval on the median of clustered samples.

    Woodruff's interval (Journal of the American Statistical Association 47, 1952): the
    share p of samples at or below the median is a ratio over the clusters, whose variance is
    that of a ratio estimator (Cochran, Sampling Techniques, 1977, §9.11); the interval is
    read off the samples at ½ ± t·√var(p). With clusters of one it is, but for rounding, the
    binomial interval of order statistics. Fewer than three clusters say nothing: the
    interval is then the whole range.
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
    # Ties at the median (a coarse clock) can make every cluster alike: never claim more than
    # the next sample on either side.
    reach = max(student(number - 1) * error, 1 / total)
    return quantile(ordered, max(0.0, 0.5 - reach)), quantile(ordered, min(1.0, 0.5 + reach))


def between(medians: Sequence[float]) -> tuple[float, float]:
    """The mean of several runs' medians, and the half-width of its 95 % interval.

    Processes lie and wake differently in each run, and the machine is at something else; no
    number of samples of one run can tell that, only other runs can (Kalibera and Jones,
    "Rigorous Benchmarking in Reasonable Time", 2013). Needs two runs; three say something.
    """
    number = len(medians)
    mean = math.fsum(medians) / number
    variance = math.fsum((median - mean) ** 2 for median in medians) / (number - 1)
    return mean, student(number - 1) * math.sqrt(variance / number)


def student(freedom: int) -> float:
    """The 97.5 % point of Student's t, by the expansion of Abramowitz and Stegun 26.7.5
    (within 0.5 % from 4 degrees of freedom on), and by the table below that."""
    if freedom < 4:
        return {1: 12.706, 2: 4.303, 3: 3.182}[freedom]
    z = NormalDist().inv_cdf(0.5 + CONFIDENCE / 2)
    g1 = (z**3 + z) / 4
    g2 = (5 * z**5 + 16 * z**3 + 3 * z) / 96
    g3 = (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / 384
    return z + g1 / freedom + g2 / freedom**2 + g3 / freedom**3
