"""Tables of three papers: their figures, what theory predicts, and what this machine measures."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from django.utils.translation import gettext
from django.utils.translation import gettext_noop as _

from .output.tables import DASH, Table, figure, label, milliseconds
from .plan import Settings
from .results import Configuration, Measurement

MEGABIT = 2**20 / 8  # bytes, as in Lubbers and Greco
CLIENTS = (1_000, 10_000, 100_000)

Row = tuple[str, str, str, str]  # name of a figure; paper, theory, measurement


@dataclass(frozen=True)
class Paper:
    """A paper's table: `settings` are its workload, with fewer clients.

    `omitted` (a message id) says what the comparison leaves out.
    """

    source: str
    link: str
    settings: Settings
    rows: Callable[[Configuration], Iterator[Row]]
    omitted: str


def overhead(measurement: Measurement) -> tuple[float, float]:
    """Return one client's bytes a second without its events' JSON: predicted and measured."""
    prediction, cost = measurement.prediction, measurement.cost
    rate = cost.published / measurement.clients / cost.seconds
    per_event = prediction.up_per_event + prediction.down_per_event
    predicted = rate * (per_event - measurement.event_bytes)
    content = cost.deliveries * measurement.event_bytes
    return predicted, (cost.up + cost.down - content) / cost.seconds / measurement.clients


def _lubbers(configuration: Configuration) -> Iterator[Row]:
    paper_bytes = {"polling": 871, "websocket": 2}
    for measurement in configuration.measurements:
        predicted, measured = overhead(measurement)
        name, in_paper = label(measurement.technique), paper_bytes[measurement.technique]
        text = gettext(_("{technique}: overhead of one client, bytes a second"))
        yield text.format(technique=name), figure(in_paper), figure(predicted), figure(measured)
        for count in CLIENTS:
            text = gettext(_("{technique}: Mbit/s for {count} clients"))
            yield (
                text.format(technique=name, count=f"{count:,}"),
                figure(count * in_paper / MEGABIT),
                figure(count * predicted / MEGABIT),
                figure(count * measured / MEGABIT),
            )


def _pimentel(configuration: Configuration) -> Iterator[Row]:
    for measurement in configuration.measurements:
        text = gettext(_("{technique}: mean one-way delay, ms"))
        yield (
            text.format(technique=label(measurement.technique)),
            DASH,
            milliseconds(measurement.prediction.delay.mean),
            milliseconds(measurement.published.mean),
        )


def late_shares(measurement: Measurement, interval: float) -> tuple[float, float]:
    """Return the shares of deliveries later than `interval`, as predicted and as measured."""
    delays = measurement.delays()
    share = sum(delay > interval for delay in delays) / max(1, len(delays))
    return 1 - measurement.prediction.delay.cdf(interval), share


def _bozdag(configuration: Configuration) -> Iterator[Row]:
    interval = 1 / configuration.settings.rate
    cpu = {each.technique: each.cost.cpu for each in configuration.measurements}
    for measurement in configuration.measurements:
        name = label(measurement.technique)
        text = gettext(_("{technique}: deliveries after the next publish"))
        predicted, measured = late_shares(measurement, interval)
        paper = gettext(_("some")) if measurement.technique == "polling" else DASH
        yield text.format(technique=name), paper, f"{predicted:.0%}", f"{measured:.0%}"
    pull = cpu["polling"]
    for technique in ("longpoll", "streaming"):
        push = cpu[technique]
        text = gettext(_("{technique}: server CPU, as a multiple of polling's"))
        multiple = figure(push / pull) if pull else DASH
        yield text.format(technique=label(technique)), "7", DASH, multiple


PAPERS = {
    "lubbers2010": Paper(
        "Lubbers and Greco: HTML5 Web Sockets: A Quantum Leap in Scalability for the Web (2010)",
        "http://www.websocket.org/quantum.html",
        Settings(
            techniques=("polling", "websocket"),
            clients=10,
            rate=1.0,
            arrivals="fixed",
            interval=1.0,
        ),
        _lubbers,
        _(
            "The paper counts the fields of a browser's request and response with cookies, and "
            "two bytes of a WebSocket frame. This client sends fewer fields; here the JSON "
            "around an event counts too, and a frame's header has four bytes from 126 bytes on. "
            "The figures for many clients are multiples of one client's. TCP and IP headers are "
            "left out."
        ),
    ),
    "pimentel2012": Paper(
        "Pimentel and Nickerson: Communicating and Displaying Real-Time Data with WebSocket, "
        "IEEE Internet Computing 16(4) (2012)",
        "https://doi.org/10.1109/MIC.2012.64",
        Settings(
            techniques=("polling", "longpoll", "websocket"),
            clients=1,
            rate=4.0,
            arrivals="fixed",
            interval=0.25,
            rtt=0.1,
            size=40,
        ),
        _pimentel,
        _(
            "The paper's own figures are not at hand: its column is empty. They are of paths "
            "through the Internet, between countries. Theory and the measurement here are of one "
            "path, whose round trip --rtt chooses (100 ms), at the paper's rate of 4 values a "
            "second. Losses on the way and the drawing in the browser are left out."
        ),
    ),
    "bozdag2007": Paper(
        "Bozdag, Mesbah and van Deursen: A Comparison of Push and Pull Techniques for Ajax (2007)",
        "https://arxiv.org/abs/0706.3984",
        Settings(
            techniques=("polling", "longpoll", "streaming"),
            clients=50,
            rate=1.0,
            arrivals="fixed",
            interval=3.0,
        ),
        _bozdag,
        _(
            "The paper's push server (Comet, in Java) used 7 times the CPU of pull and was "
            "saturated at 350 to 500 users; its pull clients missed data if they asked less "
            "often than it changed. Here a poll receives all events since the last one: none is "
            "missed, but some are late. Browsers, and several machines for the load, are left "
            "out."
        ),
    ),
}


def table(name: str, configuration: Configuration) -> Table:
    """Return the table of the paper `name`, for a run of its settings."""
    paper = PAPERS[name]
    columns = ["", *(gettext(each) for each in (_("paper"), _("theory"), _("measured here")))]
    result = Table(paper.source, columns, notes=[paper.link, gettext(paper.omitted)])
    for row in paper.rows(configuration):
        result.add(*row)
    return result
