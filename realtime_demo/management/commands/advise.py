"""`manage.py advise`: advice on the technique for a workload, with the source of each number."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from realtime_demo.comparison.advice import ASSUMED, REFERENCE, Advice, Need, advise, load
from realtime_demo.comparison.output.formatting import DASH, amount, milliseconds


class Command(BaseCommand):
    help = "Advise a technique for a workload, with the cost of each technique."
    requires_system_checks: list[str] = []  # they would import the page

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument(
            "--clients", type=int, default=1_000, help="simultaneous clients (1,000)"
        )
        parser.add_argument(
            "--rate", type=float, default=1.0, help="events a second to each client (1)"
        )
        parser.add_argument(
            "--tolerate",
            type=float,
            default=1_000.0,
            help="tolerated delay of 99 of 100 events, in ms (1,000)",
        )
        parser.add_argument("--rtt", type=float, default=50.0, help="round trip in ms (50)")
        parser.add_argument("--size", type=int, help="bytes of an event's JSON")
        parser.add_argument("--buffering", action="store_true", help="proxies buffer responses")
        parser.add_argument("--no-websocket", action="store_true", help="proxies reject upgrades")
        parser.add_argument("--battery", action="store_true", help="clients run on a battery")
        parser.add_argument(
            "--talkative", action="store_true", help="clients send as often as they receive"
        )
        parser.add_argument(
            "--measurements",
            default=str(REFERENCE),
            metavar="FILE",
            help="result of `compare --summary` or `--json` on the machine to advise on",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            need = Need(
                clients=options["clients"],
                rate=options["rate"],
                tolerated=options["tolerate"] / 1e3,
                rtt=options["rtt"] / 1e3,
                size=options["size"],
                buffering=options["buffering"],
                no_websocket=options["no_websocket"],
                battery=options["battery"],
                talkative=options["talkative"],
            )
            source, known = load(Path(options["measurements"]))
        except ValueError as error:
            raise CommandError(str(error)) from error
        console = Console()
        if not console.is_terminal:
            console = Console(width=110)
        show(console, advise(need, source, known))


def show(console: Console, advice: Advice) -> None:
    """Print the advice, the costs of each technique, the sources and the assumptions."""
    need = advice.need
    if advice.choice is None:
        console.print(f"[bold]{advice.reason}[/]")
    else:
        interval = advice.choice.interval
        pause = f", every {interval:.3g} s" if interval is not None else ""
        console.print(f"[bold]{advice.choice.label}{pause}[/]: {advice.reason}")
    console.print(
        f"For {need.clients:,} clients, {need.rate:g} events/s, {need.rtt * 1e3:g} ms round trip, "
        f"{need.tolerated * 1e3:g} ms tolerated:\n"
    )
    console.print(_table(advice))
    for option in advice.options:
        for reason in option.against:
            console.print(f"Not {option.label}: {reason}.")
    console.print("\nSources", style="bold")
    console.print("F  a formula of docs/theory.md, with sizes and seconds of work from M")
    console.print(f"M  {advice.source}", soft_wrap=True)
    console.print("A  an assumption below")
    console.print("\nAssumptions", style="bold")
    for text in ASSUMED:
        console.print(f"- {text}", soft_wrap=True)


def _table(advice: Advice) -> Table:
    table = Table(box=SIMPLE_HEAD, padding=(0, 1, 0, 0))
    for column in (
        *("", "mean\nms F", "99 %\nms F", "requests\na second F", "down\nbit/s F", "up\nbit/s F"),
        *("cores\nM", "processes\nM A", "memory\nM", "radio\nan hour F"),
    ):
        table.add_column(column, justify="right" if column else "left", no_wrap=True)
    for option in advice.options:
        delay = option.prediction.delay
        table.add_row(
            option.label if option.interval is None else f"{option.label}, {option.interval:.3g} s",
            milliseconds(delay.mean),
            milliseconds(delay.quantile(0.99)),
            amount(float(f"{option.requests:.3g}")),
            amount(float(f"{option.down * 8:.3g}")),
            amount(float(f"{option.up * 8:.3g}")),
            DASH if option.cores is None else f"{option.cores:,.2f}",
            DASH if option.processes is None else f"{option.processes:,}",
            DASH if option.memory is None else memory(option.memory),
            f"{option.wakes:,.0f}",
            style="dim" if option.against else None,
        )
    return table


def memory(size: float) -> str:
    return f"{size / 2**30:,.1f} GiB" if size >= 2**30 else f"{size / 2**20:,.1f} MiB"
