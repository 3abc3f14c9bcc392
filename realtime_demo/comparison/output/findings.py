"""The findings of a run: sentences with its figures."""

from __future__ import annotations

from collections.abc import Sequence

from realtime_demo.comparison.results import Configuration, Ledger, Measurement, Result
from transports.registry import BY_NAME

from .formatting import figure, interval, label, milliseconds, size, withheld

WORST = 3  # disagreements listed as sentences; the tables have all


def findings(result: Result) -> list[str]:
    """Return the findings, the most important first: completeness, then delays, then costs."""
    sentences = [_completeness(result), *result.warnings, *withheld(result)]
    first = result.configurations[0]
    shown = [measurement for measurement in first.measurements if not measurement.bottleneck]
    if len(shown) > 1:
        of_first = _delays(shown, of_all=len(shown) == len(first.measurements))
        of_first += [*_requests(first, shown), *_idle(shown)]
        # The other configurations of a sweep are in the tables and charts.
        others = any(one.settings != first.settings for one in result.configurations)
        sentences += [f"At {_where(first)}: {text}" if others else text for text in of_first]
    sentences += _crowding(result)
    sentences += _agreement(result)
    return sentences


def _completeness(result: Result) -> str:
    every = [m for configuration in result.configurations for m in configuration.measurements]
    sent = sum(measurement.ledger.sent for measurement in every)
    if result.complete:
        return (
            f"Complete: all {sent:,} deliveries arrived, each once and in order, "
            "on every technique."
        )
    broken = [
        f"{label(m.name)}: of {m.ledger.sent:,} deliveries {m.ledger.lost:,} were lost, "
        f"{m.ledger.doubled:,} duplicated, {m.ledger.disordered:,} out of order"
        f"{_rejected(m.ledger)}"
        for m in every
        if not m.ledger.complete
    ]
    return f"NOT complete: {'; '.join(broken)}. Delays mean little if events are missing."


def _rejected(ledger: Ledger) -> str:
    """Describe the deliveries missing because the server rejected their events."""
    if not ledger.refused:
        return ""
    return f", and the server rejected {ledger.refused:,} of {ledger.sent + ledger.refused:,}"


def _delays(shown: Sequence[Measurement], *, of_all: bool) -> list[str]:
    ordered = sorted(shown, key=lambda measurement: measurement.intended.p50)
    best, worst = ordered[0], ordered[-1]
    among = "" if of_all else "Among techniques with figures, "
    sentences = [
        f"{among}{label(best.name)} had the lowest median delay, {_median(best)}; "
        f"{label(worst.name)} the highest, {_median(worst)}: "
        f"{worst.intended.p50 / max(best.intended.p50, 1e-9):,.3g} times as long."
    ]
    similar = [m for m in ordered[1:] if m.intended.low <= best.intended.high]
    if similar:
        names = " and ".join(label(measurement.name) for measurement in similar)
        sentences.append(
            f"This run shows no difference between {label(best.name)} and {names}: the "
            "intervals on their medians overlap."
        )
    return sentences


def _median(measurement: Measurement) -> str:
    delay = measurement.intended
    return f"{milliseconds(delay.p50)} ms (95 %: {interval(delay.low, delay.high)} ms)"


def _requests(configuration: Configuration, shown: Sequence[Measurement]) -> list[str]:
    settings, sentences = configuration.settings, list[str]()
    for measurement in shown:
        cost = measurement.cost
        if cost.requests_per_event is None or cost.empty_share is None:
            continue
        if BY_NAME[measurement.technique].response_ends == "at once":
            sentences.append(
                f"Polling every {settings.interval:g} s took {cost.requests_per_event:.3g} "
                f"requests an event, {cost.empty_share:.0%} of them without an event; the mean "
                f"delay was {milliseconds(measurement.published.mean)} ms. Theory predicts "
                f"{milliseconds(measurement.prediction.delay.mean)} ms at that "
                f"interval{_simulated(measurement)}."
            )
        elif BY_NAME[measurement.technique].response_ends == "with events":
            shared = (
                ": fewer than 1, since events published between two requests share a response"
                if cost.requests_per_event < 0.995
                else ""
            )
            sentences.append(
                f"Long polling took {_requests_each(cost.requests_per_event)} an event{shared}."
            )
    return sentences


def _requests_each(number: float) -> str:
    return "1 request" if f"{number:.3g}" == "1" else f"{number:.3g} requests"


def _crowding(result: Result) -> list[str]:
    """Describe the configuration in which deliveries wait longest for other clients' work."""
    crowded = [
        (configuration, some)
        for configuration in result.configurations
        if (some := [m for m in configuration.measurements if m.crowded and not m.bottleneck])
    ]
    if not crowded:
        return []
    worst, measurements = max(crowded, key=lambda item: max(m.crowding for m in item[1]))
    parts = [
        f"{label(m.name)} about {milliseconds(m.crowding)} of {milliseconds(m.published.mean)} "
        "ms"
        + ("" if m.event_probe.server is None else f" (server {_half(m.event_probe.server)} ms)")
        for m in measurements
    ]
    others = len(crowded) - 1
    also = f" {others} more configurations have less of this." if others else ""
    return [
        f"At {_where(worst)}, deliveries wait for the work of other clients on this machine: "
        f"{'; '.join(parts)}. Clients on separate machines do not wait for each other, only "
        "for the server to write to the clients before: on average half of the server's work on "
        f"an event.{also}"
    ]


def _where(configuration: Configuration) -> str:
    """Describe the settings in which configurations differ."""
    settings = configuration.settings
    return (
        f"{settings.clients} clients, {settings.rate:g} events/s, polling every "
        f"{settings.interval:g} s and rtt {settings.rtt * 1e3:g} ms"
    )


def _simulated(measurement: Measurement) -> str:
    if measurement.simulated is None:
        return ""
    return f", {milliseconds(measurement.simulated.mean)} ms for the events of this run"


def _half(seconds: float) -> str:
    return milliseconds(seconds / 2)


def _idle(shown: Sequence[Measurement]) -> list[str]:
    known = [
        (measurement.idle_up + measurement.idle_down, measurement)
        for measurement in shown
        if measurement.idle_up is not None and measurement.idle_down is not None
    ]
    if len(known) < 2:
        return []
    least, most = min(known, key=lambda item: item[0]), max(known, key=lambda item: item[0])
    return [
        f"In an hour without events a client of {label(most[1].name)} transfers "
        f"{size(most[0])}, one of {label(least[1].name)} {size(least[0])}."
    ]


def _agreement(result: Result) -> list[str]:
    checks = [
        (configuration, measurement, check)
        for configuration in result.configurations
        for measurement in configuration.measurements
        if not measurement.bottleneck
        for check in measurement.comparison()
        if check.predicted or check.measured
    ]
    if not checks:
        return []
    agreeing = sum(check.agrees for _, _, check in checks)
    consistent = sum(check.consistent and not check.agrees for _, _, check in checks)
    wrong = [item for item in checks if not item[2].consistent]
    sentences = [
        f"Theory: of {len(checks)} predicted figures {agreeing} agree with the measured ones, "
        f"{consistent} more are within chance, {len(wrong)} disagree."
    ]
    wrong.sort(key=lambda item: -abs(item[2].difference) / max(abs(item[2].expected), 1e-9))
    for configuration, measurement, check in wrong[:WORST]:
        sentences.append(
            f"Theory disagrees: {label(measurement.name)}, {check.name}, at "
            f"{_where(configuration)}: predicted "
            f"{_with_unit(check.expected, check.unit)}, measured "
            f"{_with_unit(check.measured, check.unit)}."
        )
    if len(wrong) > WORST:
        sentences.append(f"The tables have {len(wrong) - WORST} more disagreements.")
    return sentences


def _with_unit(value: float, unit: str) -> str:
    return f"{figure(value)} {unit}".strip()
