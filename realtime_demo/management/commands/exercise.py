"""`manage.py exercise`: exercises that check themselves."""

from __future__ import annotations

import sys
import traceback
from pathlib import Path
from typing import Any

from django.core.management.base import CommandError, CommandParser
from django.utils import translation
from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop
from rich.console import Console
from rich.markup import escape

from realtime_demo.command_line import command_line
from realtime_demo.progress import progress
from realtime_demo.workshop.exercise import EXERCISES, Exercise, Outcome
from transports.command_line import TranslatedCommand


class Command(TranslatedCommand):
    help = gettext_noop("List, start and check the exercises of the workshop.")
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("action", choices=["list", "start", "check", "hint", "solution"])
        parser.add_argument("name", nargs="?", help=_("of the exercise; not for list"))
        parser.add_argument(
            "number", nargs="?", type=int, default=1, help=_("of the hint (default: 1)")
        )
        parser.add_argument("--directory", type=Path, help=_("default: exercises/NAME"))

    def handle(self, *args: Any, **options: Any) -> None:
        self.console = Console(file=self.stdout, soft_wrap=True, highlight=False)  # type: ignore[arg-type]
        self.language = translation.get_language()
        if options["action"] == "list" and options["name"] is None:
            self.list()
            return
        if options["name"] not in EXERCISES:
            names = ", ".join(EXERCISES)
            raise CommandError(
                _("NAME must be one of {names}; got {name}.").format(
                    names=names, name=options["name"]
                )
            )
        if options["action"] == "list":
            raise CommandError(_("list shows all exercises: give no NAME."))
        exercise = EXERCISES[options["name"]]
        directory = options["directory"] or Path("exercises") / exercise.name
        match options["action"]:
            case "start":
                self.start(exercise, directory)
            case "check":
                self.check_exercise(exercise, directory)
            case "hint":
                self.hint(exercise, options["number"])
            case "solution":
                self.solution(exercise)

    def list(self) -> None:
        for number, exercise in enumerate(EXERCISES.values(), 1):
            title = escape(exercise.text("title", self.language))
            self.console.print(f"{number:2}  [bold]{exercise.name:13}[/] {title}")

    def start(self, exercise: Exercise, directory: Path) -> None:
        try:
            exercise.start(directory)
        except FileExistsError as error:
            raise CommandError(
                _("{directory} exists: choose another with --directory.").format(
                    directory=directory
                )
            ) from error
        except OSError as error:
            raise CommandError(
                _("--directory: cannot create {directory}: {strerror}.").format(
                    directory=directory, strerror=error.strerror
                )
            ) from error
        self.console.print(f"[bold]{escape(exercise.text('title', self.language))}[/]\n")
        self.console.print(escape(exercise.text("task", self.language).strip()), "\n")
        self.console.print(_("Edit {file}.").format(file=directory / "app.py"))
        run = f"python -m uvicorn --app-dir {directory} app:application"
        self.console.print(_("Run it: {command}").format(command=run))
        option = (
            "" if directory == Path("exercises") / exercise.name else f" --directory {directory}"
        )
        check = command_line(f"exercise check {exercise.name}{option}")
        self.console.print(_("Check it: {command}").format(command=check))
        if exercise.has_lane:
            lane = f"PYTHONPATH={directory} ADDITIONAL_TECHNIQUES=lane:TECHNIQUE make demo"
            self.console.print(_("See its lane in the demo: {command}").format(command=lane))

    def check_exercise(self, exercise: Exercise, directory: Path) -> None:
        file = directory / "app.py"
        if not file.is_file():
            raise CommandError(
                _("{file} does not exist: start the exercise first.").format(file=file)
            )
        passed = True
        try:
            with progress(self.console) as show_step:
                show_step(_("Checking {file} …").format(file=file))
                for outcome in exercise.check(directory):
                    self.show(outcome)
                    passed = passed and outcome.fault is None
        except Exception as error:
            self.console.print(escape("".join(traceback.format_exception(error)[-4:])))
            raise CommandError(_("{file} cannot be imported.").format(file=file)) from error
        if not passed:
            self.console.print(
                _("A hint: {command}").format(
                    command=command_line(f"exercise hint {exercise.name}")
                )
            )
            self.stdout.flush()
            sys.exit(1)
        self.console.print(escape(_("Every case passes.")), style="green")

    def show(self, outcome: Outcome) -> None:
        holds = escape(outcome.case.holds[self.language])
        if outcome.fault is None:
            self.console.print(f"[green]✓[/] {holds}")
            return
        self.console.print(f"[red]✗[/] {holds}")
        self.console.print(f"  {escape(outcome.explanation(self.language))}")
        if outcome.received:
            self.console.print(" ", _("Received:"))
            for line in outcome.received.splitlines():
                self.console.print(f"    {escape(line)}")

    def hint(self, exercise: Exercise, number: int) -> None:
        hints = exercise.hints
        if not 1 <= number <= len(hints):
            raise CommandError(
                _("The hint must be from 1 to {count}; got {number}.").format(
                    count=len(hints), number=number
                )
            )
        self.console.print(escape(hints[number - 1][self.language].strip()))
        if number < len(hints):
            self.console.print(
                _("The next hint: {command}").format(
                    command=command_line(f"exercise hint {exercise.name} {number + 1}")
                )
            )

    def solution(self, exercise: Exercise) -> None:
        folders = (exercise.stub, exercise.solution)
        files = {file.relative_to(folder): file for folder in folders for file in folder.rglob("*")}
        for name, file in sorted(files.items()):
            if name.suffix in (".py", ".js"):
                self.console.print(f"[bold]# {name}[/]")
                self.console.print(escape(file.read_text()))
