"""The findings of a run: sentences with its figures."""

from __future__ import annotations

import math

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from realtime_demo.comparison.results import Configuration, Measurement, Result
from transports.registry import BY_NAME

from .tables import basics, figure, interval, label, milliseconds, size, withheld

WORST = 3  # disagreements listed as sentences; the tables have all


def findings(result: Result) -> list[str]:
    """Return the findings, the most important first: completeness, then delays, then costs."""
    sentences = [_completeness(result), *result.warnings, *withheld(result)]
    first = result.configurations[0]
    if len(first.shown) > 1:
        details = [*_delays(first), *_requests(first), *_idle(first)]
        # The other configurations of a sweep are in the tables and charts.
        if any(each.settings != first.settings for each in result.configurations):
            where = _where(first)
            details = [_("At {where}: {text}").format(where=where, text=text) for text in details]
        sentences += details
    sentences += _crowding(result)
    sentences += _agreement(result)
    return sentences


def _completeness(result: Result) -> str:
    every = [m for configuration in result.configurations for m in configuration.measurements]
    sent = sum(measurement.ledger.sent for measurement in every)
    if result.complete:
        return ngettext(
            "Complete: the one delivery arrived once.",
            "Complete: all {sent} deliveries arrived, each once and in order, on every technique.",
            sent,
        ).format(sent=f"{sent:,}")
    faults = "; ".join(_faults(m) for m in every if not m.ledger.complete)
    text = _("NOT complete: {faults}. Delays mean little if events are missing.")
    return text.format(faults=faults)


def _faults(measurement: Measurement) -> str:
    ledger = measurement.ledger
    text = _(
        "{technique}: {lost} of {sent} lost, {duplicated} duplicated, {out_of_order} out of order"
    )
    if ledger.refused:
        text += _(", and the server rejected {rejected} of {all}")
    return text.format(
        technique=label(measurement.name),
        sent=f"{ledger.sent:,}",
        lost=f"{ledger.lost:,}",
        duplicated=f"{ledger.duplicated:,}",
        out_of_order=f"{ledger.out_of_order:,}",
        rejected=f"{ledger.refused:,}",
        all=f"{ledger.sent + ledger.refused:,}",
    )


def _delays(configuration: Configuration) -> list[str]:
    ordered = sorted(configuration.shown, key=lambda measurement: measurement.intended.p50)
    best, worst = ordered[0], ordered[-1]
    text = _(
        "{best} had the lowest median delay, {lowest}; {worst} the highest, {highest}: "
        "{times} times as long."
    )
    if len(ordered) < len(configuration.measurements):
        text = _(
            "Among techniques with figures, {best} had the lowest median delay, {lowest}; "
            "{worst} the highest, {highest}: {times} times as long."
        )
    sentences = [
        text.format(
            best=label(best.name),
            lowest=_median(best),
            worst=label(worst.name),
            highest=_median(worst),
            times=f"{worst.intended.p50 / max(best.intended.p50, 1e-9):,.3g}",
        )
    ]
    similar = [m for m in ordered[1:] if m.intended.low <= best.intended.high]
    if similar:
        sentences.append(
            _(
                "This run shows no difference between these, whose intervals on the median "
                "overlap: {techniques}."
            ).format(techniques=", ".join(label(each.name) for each in [best, *similar]))
        )
    return sentences


def _median(measurement: Measurement) -> str:
    delay = measurement.intended
    return _("{median} ms (95 %: {interval} ms)").format(
        median=milliseconds(delay.p50), interval=interval(delay.low, delay.high)
    )


def _requests(configuration: Configuration) -> list[str]:
    sentences: list[str] = []
    for measurement in configuration.shown:
        cost = measurement.cost
        if math.isnan(cost.empty_share):
            continue
        requests = _requests_each(cost.requests_per_event)
        if BY_NAME[measurement.technique].response_ends == "at once":
            text = _(
                "Polling every {interval} s took {requests} an event, {empty} of them without "
                "an event; the mean delay was {mean} ms. Theory predicts {predicted} ms at "
                "that interval"
            ).format(
                interval=f"{configuration.settings.interval:g}",
                requests=requests,
                empty=f"{cost.empty_share:.0%}",
                mean=milliseconds(measurement.published.mean),
                predicted=milliseconds(measurement.prediction.delay.mean),
            )
            if measurement.simulated.delays:
                mean = milliseconds(measurement.simulated.mean)
                text += _(", {ms} ms for the events of this run").format(ms=mean)
            sentences.append(f"{text}.")
        elif BY_NAME[measurement.technique].response_ends == "with events":
            text = _("Long polling took {requests} an event.")
            if cost.requests_per_event < 0.995:
                text = _(
                    "Long polling took {requests} an event: fewer than 1, since events published "
                    "between two requests share a response."
                )
            sentences.append(text.format(requests=requests))
    return sentences


def _requests_each(number: float) -> str:
    text = f"{number:.3g}"
    plural = 1 if text == "1" else 2
    return ngettext("{number} request", "{number} requests", plural).format(number=text)


def _crowding(result: Result) -> list[str]:
    """Describe the configuration in which deliveries wait longest for other clients' work."""
    crowded = [
        (configuration, measurements)
        for configuration in result.configurations
        if (measurements := [m for m in configuration.shown if m.crowded])
    ]
    if not crowded:
        return []
    worst, measurements = max(crowded, key=lambda item: max(m.crowding for m in item[1]))
    parts = [_waiting(measurement) for measurement in measurements]
    text = _(
        "At {where}, deliveries wait for the work of other clients on this machine: {parts}. "
        "Clients on separate machines do not wait for each other, only for the server to write "
        "to the clients before: on average half of the server's work on an event."
    ).format(where=_where(worst), parts="; ".join(parts))
    if others := len(crowded) - 1:
        text += " " + ngettext(
            "{number} more configuration has less of this.",
            "{number} more configurations have less of this.",
            others,
        ).format(number=others)
    return [text]


def _waiting(measurement: Measurement) -> str:
    text, server = _("{technique} about {waiting} of {mean} ms"), measurement.event_probe.server
    if not math.isnan(server):
        text += _(" (server {ms} ms)").format(ms=milliseconds(server / 2))
    waiting, mean = milliseconds(measurement.crowding), milliseconds(measurement.published.mean)
    return text.format(technique=label(measurement.name), waiting=waiting, mean=mean)


def _where(configuration: Configuration) -> str:
    return ", ".join(basics(configuration))


def _idle(configuration: Configuration) -> list[str]:
    transfers = sorted(
        (measurement.idle.up + measurement.idle.down, label(measurement.name))
        for measurement in configuration.shown
        if not math.isnan(measurement.idle.seconds)
    )
    if len(transfers) < 2:
        return []
    (less, least), (more, most) = transfers[0], transfers[-1]
    text = _(
        "In an hour without events a client of {most} transfers {more}, one of {least} {less}."
    )
    return [text.format(most=most, more=size(more), least=least, less=size(less))]


def _agreement(result: Result) -> list[str]:
    checks = [
        (configuration, measurement, check)
        for configuration in result.configurations
        for measurement in configuration.shown
        for check in measurement.comparison()
        if check.predicted or check.measured
    ]
    if not checks:
        return []
    disagreements = [item for item in checks if not item[2].consistent]
    sentences = [
        ngettext(
            "Theory: of {number} predicted figure {agreeing} agree with the measured ones, "
            "{consistent} more are within chance, {wrong} disagree.",
            "Theory: of {number} predicted figures {agreeing} agree with the measured ones, "
            "{consistent} more are within chance, {wrong} disagree.",
            len(checks),
        ).format(
            number=len(checks),
            agreeing=sum(check.agrees for *_others, check in checks),
            consistent=sum(check.consistent and not check.agrees for *_others, check in checks),
            wrong=len(disagreements),
        )
    ]
    disagreements.sort(key=lambda item: -abs(item[2].difference) / max(abs(item[2].expected), 1e-9))
    text = _(
        "Theory disagrees: {technique}, {figure}, at {where}: predicted {predicted}, "
        "measured {measured}."
    )
    sentences += [
        text.format(
            technique=label(measurement.name),
            figure=_(check.name),
            where=_where(configuration),
            predicted=f"{figure(check.expected)} {check.unit}".strip(),
            measured=f"{figure(check.measured)} {check.unit}".strip(),
        )
        for configuration, measurement, check in disagreements[:WORST]
    ]
    if (omitted := len(disagreements) - WORST) > 0:
        sentences.append(
            ngettext(
                "The tables have {number} more disagreement.",
                "The tables have {number} more disagreements.",
                omitted,
            ).format(number=omitted)
        )
    return sentences
