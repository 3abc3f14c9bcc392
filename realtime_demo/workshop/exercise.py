"""The exercises in the order of the chapters, with their texts in each language and their cases."""

from __future__ import annotations

import asyncio
import shutil
import tomllib
from collections.abc import Callable, Coroutine, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from importlib import import_module
from pathlib import Path
from typing import Any, Literal

from django.utils.translation import gettext as _
from django.utils.translation import override

from realtime_demo.workshop.bench import Bench
from realtime_demo.workshop.exchange import Unexpected

FOLDER = Path(__file__).parent / "exercises"
NAMES = (
    "poll",
    "longpoll",
    "lines",
    "heartbeat",
    "sse",
    "chat",
    "disconnect",
    "proxy",
    "token",
    "once",
    "resume",
    "reader",
    "backpressure",
    "own",
)
PATIENCE = 5.0  # seconds
LONGEST_CASE = 4  # times the patience
SHOWN = 1_500  # bytes of a response, from its end

# The package `lane` in the folder of an exercise that is a technique.
LANE = '''"""The lane of this exercise on the demo's page: ADDITIONAL_TECHNIQUES=lane:TECHNIQUE."""

from realtime_demo.workshop.lane import technique

TECHNIQUE = technique("{name}")
'''
LANE_ROUTING = '''"""The routes of this exercise in the demo."""

from app import application

http_urlpatterns = application.http_urlpatterns
websocket_urlpatterns = application.websocket_urlpatterns
'''
LANE_CLIENT = '''"""The Python client of this exercise, for `manage.py compare`."""

from realtime_demo.workshop.client import client_of

events = client_of("{name}")
'''

Text = Mapping[str, str]  # by language
Run = Callable[[Bench], Coroutine[Any, Any, None]]


@dataclass(frozen=True)
class Case:
    """A requirement: the text `holds` if it is met, and `wrong`, with placeholders, if not."""

    name: str
    holds: Text
    wrong: Text
    run: Run


@dataclass(frozen=True)
class Outcome:
    """The outcome of a case: `fault` is None if it passed."""

    case: Case
    fault: Exception | None = None

    def explanation(self, language: str) -> str:
        """Return what is wrong, in plain words."""
        with override(language):
            match self.fault:
                case Unexpected(text=text, values=values):
                    return (_(text) if text else self.case.wrong[language]).format(**values)
                case TimeoutError():
                    return _("The server does not answer: something blocks its event loop.")
            return f"{type(self.fault).__name__}: {self.fault}"

    @property
    def received(self) -> str:
        """The end of what was received, with unprintable bytes escaped."""
        data = self.fault.received if isinstance(self.fault, Unexpected) else b""
        text = data[-SHOWN:].decode("utf-8", "backslashreplace")
        return text.replace("\r\n", "\\r\\n\n").replace("\u2028", "\\u2028")


@dataclass(frozen=True)
class Exercise:
    """An exercise; its folder has `exercise.toml`, `check.py`, `stub/` and `solution/`."""

    name: str

    @property
    def folder(self) -> Path:
        return FOLDER / self.name

    @property
    def stub(self) -> Path:
        return self.folder / "stub"

    @property
    def solution(self) -> Path:
        """The files that differ from the stub's."""
        return self.folder / "solution"

    @cached_property
    def document(self) -> dict[str, Any]:
        return tomllib.loads((self.folder / "exercise.toml").read_text())

    @property
    def hints(self) -> list[Text]:
        hints: list[Text] = self.document["hints"]
        return hints

    def text(self, member: Literal["title", "task"], language: str) -> str:
        return str(self.document[member][language])

    @cached_property
    def cases(self) -> list[Case]:
        """The cases in the order of `exercise.toml`; each is a function of `check.py`."""
        module = import_module(f"realtime_demo.workshop.exercises.{self.name}.check")
        return [
            Case(name, texts["holds"], texts["wrong"], getattr(module, name))
            for name, texts in self.document["cases"].items()
        ]

    @property
    def has_lane(self) -> bool:
        """Whether it is a technique that `lane` mounts in the demo."""
        return "lane" in self.document

    def start(self, directory: Path) -> None:
        """Copy the stub to `directory`; raise `FileExistsError` if it exists."""
        shutil.copytree(self.stub, directory, ignore=shutil.ignore_patterns("__pycache__"))
        if self.has_lane:
            lane = directory / "lane"
            lane.mkdir()
            (lane / "__init__.py").write_text(LANE.format(name=self.name))
            (lane / "routing.py").write_text(LANE_ROUTING)
            (lane / "client.py").write_text(LANE_CLIENT.format(name=self.name))

    def check(self, folder: Path, patience: float | None = None) -> Iterator[Outcome]:
        """Yield the outcome of each case for the `app.py` in `folder`.

        `patience` is the longest wait for what has to arrive, in seconds (default: PATIENCE).
        Raises what importing `app.py` raises.
        """
        with Bench(folder, patience or PATIENCE) as bench:
            for case in self.cases:
                try:
                    asyncio.run(run_case(case, bench))
                except TimeoutError as error:
                    yield Outcome(case, error)
                    return  # the server's loop is blocked, for the other cases too
                except Exception as error:
                    yield Outcome(case, error)
                else:
                    yield Outcome(case)


async def run_case(case: Case, bench: Bench) -> None:
    """Run `case`; raise `TimeoutError` if it does not end."""
    async with asyncio.timeout(LONGEST_CASE * bench.patience):
        await case.run(bench)


EXERCISES = {name: Exercise(name) for name in NAMES}
