"""Runner of cases against a server, a few at once."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Literal

from . import contract
from .case import Case, Failed, Reason, Skipped
from .probe import Probe

Outcome = Literal["passed", "failed", "skipped"]
AT_ONCE = 4  # cases; each has at most two connections
LONGEST = 6  # times the time limit that a whole case may take


@dataclass(frozen=True)
class Result:
    """The outcome of a case, what caused it unless it passed, and its duration in seconds."""

    case: Case
    outcome: Outcome
    cause: Reason | None = None
    seconds: float = 0.0

    @property
    def reason(self) -> str:
        """The reason in English, for programs."""
        return printable(str(self.cause or ""))

    @property
    def translated(self) -> str:
        """The reason in the reader's language."""
        return printable(self.cause.translated if self.cause else "")


async def run(
    probe: Probe,
    cases: Sequence[Case],
    *,
    at_once: int = AT_ONCE,
    done: Callable[[Result], None] = lambda result: None,
) -> list[Result]:
    """Run the cases, `at_once` at a time; return their results in order.

    `done` is called with each result as it is known.
    """
    if probe.publish and "ours" in probe.targets:
        with suppress(Failed):  # the contract's cases report it
            await contract.seed(probe)
    limit = asyncio.Semaphore(at_once)

    async def one(case: Case) -> Result:
        async with limit:
            result = await judge(probe, case)
        done(result)
        return result

    return await asyncio.gather(*map(one, cases))


async def judge(probe: Probe, case: Case) -> Result:
    """Run one case."""
    if case.publishes and not probe.publish:
        return Result(case, "skipped", Skipped("it publishes: --publish permits that"))
    began = time.monotonic()
    outcome: Outcome = "passed"
    cause: Reason | None = None
    longest = LONGEST * probe.timeout
    try:
        async with asyncio.timeout(longest):
            await case.check(probe)
    except Failed as error:
        outcome, cause = "failed", error
    except Skipped as error:
        outcome, cause = "skipped", error
    except TimeoutError:
        outcome, cause = "failed", Failed("not finished within {seconds:g} s", seconds=longest)
    return Result(case, outcome, cause, time.monotonic() - began)


def printable(text: str) -> str:
    """Return `text` without control characters, which a server could send to a terminal."""
    return "".join(char if char.isprintable() else "\ufffd" for char in text)
