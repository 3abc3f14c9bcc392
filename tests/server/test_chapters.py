"""The chapters of the workshop: their commands, run as printed, and their code."""

from __future__ import annotations

import io
import re
import shlex
import shutil
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path

import pytest
from django.core.management import call_command

from realtime_demo.ports import free_port
from realtime_demo.workshop.exercise import EXERCISES, Exercise
from tests.support.program import ROOT, Program, need
from tests.support.waiting import BOUND

pytestmark = [pytest.mark.own_server]

FOLDER = ROOT / "docs/workshop"
PAGES = sorted(file for file in FOLDER.glob("*.md") if "```console" in file.read_text())
CHAPTERS = [file for file in PAGES if "```python" in file.read_text()]
ENGLISH = [file for file in CHAPTERS if not file.name.endswith(".ko.md")]
KOREAN = [file for file in CHAPTERS if file.name.endswith(".ko.md")]
# What each chapter has, in order; a picture is a diagram, or a scenario or lane of the demo.
PARTS = {
    "en": ["Question", "Predict", "## The naive version", "## The code to write", "## What to see"],
    "ko": ["질문", "예상", "## 실패하는 코드", "## 쓸 코드", "## 확인"],
}
READ_ON = {"en": "Read on: ", "ko": "더 읽기: "}
PICTURE = re.compile(r"^```text$|[?]scene=|make demo$", re.MULTILINE)
BLOCK = re.compile(r"^```(console|python)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
LISTENING = re.compile(r"Uvicorn running on ")
PORT = "8001"
SHORT = 2.0  # seconds; for the naive versions, some of whose output does not arrive


def exercises_of(chapter: Path) -> list[Exercise]:
    names = re.findall(r"exercise start (\w+)", chapter.read_text())
    return [EXERCISES[name] for name in names]


class Reader:
    """A reader of one chapter, in `folder`: runs its commands, and applies its code."""

    def __init__(self, folder: Path, servers: ExitStack) -> None:
        self.folder = folder
        self.servers = servers
        self.port = str(free_port())

    def run(self, command: str) -> str:
        """Run a command as printed, with another port, and return its output."""
        words = shlex.split(command.replace(PORT, self.port))
        if words[:2] == ["python", "manage.py"]:
            output = io.StringIO()
            try:
                call_command(*words[2:], stdout=output)
            except SystemExit:
                assert "✗" in output.getvalue()
            return output.getvalue()
        if words[:3] == ["python", "-m", "uvicorn"]:
            environment = {"PYTHONPATH": str(ROOT)}
            server = [sys.executable, *words[1:]]
            self.servers.enter_context(
                Program(server, LISTENING, environment, folder=self.folder, spotless=False)
            )
            return ""
        if words[0] == "curl":
            run = subprocess.run(words, capture_output=True, text=True, timeout=BOUND)
            timed_out = 28  # curl's exit code for --max-time
            assert run.returncode == 0 or ("--max-time" in words and run.returncode == timed_out)
            return run.stdout
        assert re.fullmatch(r"([A-Z_]+=\S+ )+make (demo|compare)", command), command
        return ""  # tests/browser/test_fifth_technique.py runs them


def check_output(lines: list[str], output: str) -> None:
    """Check that the output has the printed lines in order; "…" stands for anything."""
    position = 0
    for line in lines:
        pattern = ".*".join(map(re.escape, line.split("…")))
        match = re.compile(f"^{pattern}\r?$", re.MULTILINE).search(output, position)
        assert match, f"{line}\nis not in\n{output[position:]}"
        position = match.end()


@pytest.mark.parametrize("chapter", [*ENGLISH, FOLDER / "README.md"], ids=lambda page: page.stem)
def test_the_commands_of_a_chapter(
    chapter: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Run the commands in order; the solution stands for the code that the reader writes."""
    need("curl", "curl")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("LC_ALL", "en_US.UTF-8")
    with ExitStack() as servers:
        reader = Reader(tmp_path, servers)
        for language, block in BLOCK.findall(chapter.read_text()):
            if language == "python":
                monkeypatch.setattr("realtime_demo.workshop.exercise.PATIENCE", BOUND)
                exercise = exercises_of(chapter)[0]
                folder = tmp_path / "exercises" / exercise.name
                shutil.copytree(exercise.solution, folder, dirs_exist_ok=True)
                continue
            for part in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
                command, *printed = part.splitlines()
                if "exercise start" in command:
                    monkeypatch.setattr("realtime_demo.workshop.exercise.PATIENCE", SHORT)
                check_output(printed, reader.run(command))


@pytest.mark.parametrize("chapter", CHAPTERS, ids=lambda page: page.stem)
def test_a_chapter_is_complete(chapter: Path) -> None:
    language = "ko" if chapter in KOREAN else "en"
    text = chapter.read_text()
    positions = [text.find(part) for part in [*PARTS[language], READ_ON[language]]]
    assert -1 not in positions
    assert positions == sorted(positions)
    assert PICTURE.search(text)


@pytest.mark.parametrize("chapter", CHAPTERS, ids=lambda page: page.stem)
def test_the_code_of_a_chapter_is_in_the_solution(chapter: Path) -> None:
    files = exercises_of(chapter)[0].solution.rglob("*.py")
    solution = "".join("".join(file.read_text().split()) for file in files)
    code = [block for language, block in BLOCK.findall(chapter.read_text()) if language == "python"]
    assert code
    for block in code:
        assert "".join(block.split()) in solution


@pytest.mark.parametrize("chapter", KOREAN, ids=lambda page: page.stem)
def test_the_output_in_a_korean_chapter_is_korean(chapter: Path) -> None:
    texts = {case.holds["ko"] for exercise in EXERCISES.values() for case in exercise.cases}
    printed = re.findall(r"^[✓✗] (.*)$", chapter.read_text(), re.MULTILINE)
    assert printed
    assert set(printed) <= texts


def code_of(page: Path) -> list[tuple[str, str]]:
    """Return the code and the commands of a page, with the output that has no language.

    An exercise's output is reduced to ✓ and ✗, which no language changes; comments are removed.
    """
    parts: list[tuple[str, str]] = []
    for language, block in BLOCK.findall(page.read_text()):
        if language == "python":
            parts.append((block, ""))
            continue
        for part in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
            command, _, output = part.partition("\n")
            if "manage.py exercise" in command:
                output = "".join(re.findall("^[✓✗]", output, re.MULTILINE))
            parts.append((command.split("  #")[0].rstrip(), output))
    return parts


@pytest.mark.parametrize(
    "page", [page for page in PAGES if not page.name.endswith(".ko.md")], ids=lambda page: page.stem
)
def test_a_korean_page_has_the_code_of_the_english_one(page: Path) -> None:
    """The test above runs the commands of the English page; these are the same."""
    assert code_of(page.with_suffix(".ko.md")) == code_of(page) != []


def test_every_exercise_has_a_chapter() -> None:
    for chapters in (ENGLISH, KOREAN):
        exercises = [exercise for chapter in chapters for exercise in exercises_of(chapter)]
        assert {exercise.name for exercise in exercises} == set(EXERCISES)
        index = FOLDER / ("README.md" if chapters is ENGLISH else "README.ko.md")
        for name in EXERCISES:
            assert f"`{name}`" in index.read_text()
