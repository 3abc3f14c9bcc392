"""`manage.py advise`: advice on the technique for a workload, with the source of each number."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from django.core.management.base import CommandError
from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop
from rich.console import Console
from rich.text import Text

from realtime_demo.comparison.advice import (
    GIB,
    REFERENCE,
    Advice,
    Machine,
    Need,
    Scale,
    advise,
    assumptions,
    load,
    scale,
)
from realtime_demo.comparison.output.tables import (
    DASH,
    Cell,
    Table,
    Tone,
    amount,
    clients,
    milliseconds,
    number,
    rate,
)
from realtime_demo.comparison.output.terminal import render
from transports.command_line import TranslatedCommand

# Option, type, default, help text.
OPTIONS: tuple[tuple[str, type, float | None, str], ...] = (
    ("clients", int, 1_000, gettext_noop("simultaneous clients (1,000)")),
    ("rate", float, 1.0, gettext_noop("events a second to each client (1)")),
    ("tolerate", float, 1e3, gettext_noop("tolerated delay of 99 of 100 events, in ms (1,000)")),
    ("rtt", float, 50.0, gettext_noop("round trip in ms (50)")),
    ("size", int, None, gettext_noop("bytes of an event's JSON")),
    ("rooms", int, 1, gettext_noop("rooms of equal size (1)")),
    ("cores", int, 8, gettext_noop("cores of a machine (8)")),
    ("memory", float, 32.0, gettext_noop("memory of a machine, in GiB (32)")),
    ("network", float, 10.0, gettext_noop("network of a machine, in Gbit/s (10)")),
)
CONDITIONS = {
    "buffering": gettext_noop("proxies buffer responses"),
    "no_websocket": gettext_noop("proxies reject upgrades"),
    "battery": gettext_noop("clients run on a battery"),
    "talkative": gettext_noop("clients send as often as they receive"),
}


class Command(TranslatedCommand):
    help = gettext_noop("Advise a technique for a workload, with the cost of each technique.")
    requires_system_checks: list[str] = []  # they would import the page

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        for name, kind, default, text in OPTIONS:
            parser.add_argument(f"--{name}", type=kind, default=default, help=_(text))
        for name, text in CONDITIONS.items():
            option = f"--{name.replace('_', '-')}"
            parser.add_argument(option, action="store_true", help=_(text))
        parser.add_argument(
            "--measurements",
            default=str(REFERENCE),
            metavar="FILE",
            help=_("result of `compare --summary` or `--json` on the machine to advise on"),
        )

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            conditions = {name: options[name] for name in CONDITIONS}
            need = Need(
                options["clients"],
                options["rate"],
                options["tolerate"] / 1e3,
                options["rtt"] / 1e3,
                options["size"],
                **conditions,
            )
            machine = Machine(options["cores"], options["memory"] * GIB, options["network"] * 1e9)
            if options["rooms"] < 1:
                raise ValueError(
                    _("{option} must be {least} or more; got {value}.").format(
                        option="--rooms", least=1, value=options["rooms"]
                    )
                )
            source, measured = load(Path(options["measurements"]))
        except ValueError as error:
            raise CommandError(str(error)) from error
        console = Console(highlight=False)
        if not console.is_terminal:
            console = Console(width=110, highlight=False)
        advice = advise(need, measured)
        deployments = {
            option.label: scale(need, option, options["rooms"], machine)
            for option in advice.options
        }
        show(console, need, source, advice, deployments)


def show(
    console: Console,
    need: Need,
    source: str,
    advice: Advice,
    deployments: Mapping[str, Scale | None],
) -> None:
    """Print the advice, the costs of each technique, the sources and the assumptions."""
    heading = Text(advice.reason, style="bold")
    if advice.choice is not None:
        name = advice.choice.label
        if advice.choice.interval is not None:
            name = _("{technique}, every {interval} s").format(
                technique=name, interval=f"{advice.choice.interval:.3g}"
            )
        heading = Text.assemble((name, "bold"), f": {advice.reason}")
    workload = _("For {clients}, {rate}, {rtt} ms round trip, {tolerated} ms tolerated:").format(
        clients=clients(need.clients),
        rate=rate(need.rate),
        rtt=f"{need.rtt * 1e3:g}",
        tolerated=f"{need.tolerated * 1e3:g}",
    )
    console.print(heading)
    console.print(f"{workload}\n")
    console.print(render(console, costs(advice)))
    console.print(render(console, scales(deployments)))
    against = _("Not {technique}: {reason}.")
    for option in advice.options:
        for reason in option.against:
            console.print(against.format(technique=option.label, reason=reason))
    console.print()
    console.print(_("Sources"), style="bold")
    console.print(_("F  a formula of docs/theory.md, with sizes and seconds of work from M"))
    console.print(f"M  {source}")
    console.print(_("R  Redis' CPU for a publish, measured by benchmarks.cluster_cost"))
    console.print(_("A  an assumption below"))
    console.print()
    console.print(_("Assumptions"), style="bold")
    for text in assumptions():
        console.print(f"- {text}")


def costs(advice: Advice) -> Table:
    """Return the table of each technique's costs."""
    table = Table(
        _("Costs of each technique, and the source of each figure"),
        (
            *("", _("mean ms F"), _("99 % ms F"), _("requests a second F"), _("down bit/s F")),
            *(_("up bit/s F"), _("cores M"), _("processes M A"), _("memory M")),
            _("radio an hour F"),
        ),
    )
    for option in advice.options:
        delay = option.prediction.delay
        tone: Tone = "fair" if option.against else ""
        cells = (
            option.label if option.interval is None else f"{option.label}, {option.interval:.3g} s",
            milliseconds(delay.mean),
            milliseconds(delay.quantile(0.99)),
            amount(float(f"{option.requests:.3g}")),
            amount(float(f"{option.down * 8:.3g}")),
            amount(float(f"{option.up * 8:.3g}")),
            number(option.cores, ",.2f"),
            number(option.processes, ","),
            DASH if option.memory is None else memory(option.memory),
            f"{option.wakes:,.0f}",
        )
        table.add(*(Cell(text, tone) for text in cells))
    unknown = gettext_noop("not in the measurements (M)")
    return table.explain_dashes(dict.fromkeys(table.columns[6:9], unknown))


def scales(deployments: Mapping[str, Scale | None]) -> Table:
    """Return the table of machines and Redis shards for each technique."""
    table = Table(
        _("Machines and Redis, and the limit that is met first"),
        (
            *("", _("processes M A"), _("machines A"), _("first limit")),
            *(_("Redis shards R"), _("room's shard, share of a core R"), _("clients of a room R")),
        ),
    )
    for label, deployment in deployments.items():
        if deployment is None:
            continue
        tone: Tone = "" if deployment.fits else "bad"
        table.add(
            label,
            f"{deployment.processes:,}",
            f"{deployment.machines:,}",
            _(deployment.scarcest),
            f"{deployment.shards:,}",
            Cell(f"{deployment.room_load:.1%}", tone),
            Cell(amount(float(f"{deployment.largest_room:.3g}")), tone),
        )
    table.notes.append(
        _(
            "A room is on one shard. More machines and shards serve more rooms; one room has at "
            "most the clients of the last column at this rate."
        )
    )
    return table


def memory(size: float) -> str:
    return f"{size / 2**30:,.1f} GiB" if size >= 2**30 else f"{size / 2**20:,.1f} MiB"
