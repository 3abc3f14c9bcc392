"""The exercises of the workshop: each stub fails its check, each solution passes."""

from __future__ import annotations

import asyncio
import io
import re
import shlex
import shutil
import sys
from collections.abc import Iterator
from contextlib import aclosing
from importlib import import_module
from pathlib import Path
from runpy import run_path
from typing import Any

import httpx
import pytest
from django.conf import settings
from django.contrib.staticfiles import finders
from django.core.management import CommandError, call_command

from realtime_demo.workshop.bench import Bench, importable
from realtime_demo.workshop.exercise import EXERCISES, FOLDER, Exercise
from realtime_demo.workshop.lane import PREFIX, technique
from tests.support.exercises import solve
from tests.support.program import Program, run_python
from tests.support.waiting import BOUND, retry_after_stall

pytestmark = [pytest.mark.own_server]

LANGUAGES = {code for code, _ in settings.LANGUAGES}
SHORT = 1.0  # seconds; enough for a stub, some of whose bytes do not arrive
PLACEHOLDER = re.compile(r"\{(\w+)[^}]*\}")
LISTENING = re.compile(r"Uvicorn running on (http://127\.0\.0\.1:\d+)")

# The cases that each stub fails, with a part of the explanation.
FAULTS = {
    "poll": {"burst": "the response has: three", "nothing": "the response has: earlier"},
    "longpoll": {"waits": "answered at once", "answers": "has: -", "expires": "after 0.4 s"},
    "lines": {"length": "Content-Length 0", "lines": "has 0 line ends", "live": "received: -"},
    "heartbeat": {"silence": "No byte arrived for 1 s"},
    "sse": {"identity": 'the line "id: <cursor>"', "resume": "the first message must be"},
    "chat": {"resume": "received: -", "burst": "100 messages arrived; 50 are lost"},
    "disconnect": {"disconnect": "10 of their requests still wait"},
    "proxy": {"buffering": "received through the proxy: -", "compressing": "exempts the response"},
    "token": {
        "bearer": "the server sends: anonymous",
        "subprotocol": "got anonymous and realtime.v1",
        "url": "authenticated ada",
        "forged": "the socket opened",
    },
    "once": {
        "dies": "has: one, two, one, two, three",
        "twice": "Expected one, two, three; the room has:",
    },
    "resume": {"between": "received: missed, later", "lost": "received: later"},
    "reader": {"one": "the group has 20 channels"},
    "backpressure": {"waits": "sends wait for one client"},
    "own": {
        "media_type": "got application/x-ndjson",
        "one_part_each": "received: -",
        "live": "complete parts: -",
        "resume": "received: -",
    },
}

every_exercise = pytest.mark.parametrize("exercise", EXERCISES.values(), ids=list(EXERCISES))


@every_exercise
async def test_the_stub_fails_its_check(exercise: Exercise) -> None:
    def check() -> None:
        outcomes = [outcome for outcome in exercise.check(exercise.stub, SHORT) if outcome.fault]
        faults = FAULTS[exercise.name]
        assert [outcome.case.name for outcome in outcomes] == list(faults)
        for outcome in outcomes:
            assert faults[outcome.case.name] in outcome.explanation("en")
            assert not PLACEHOLDER.search(outcome.explanation("ko"))

    await retry_after_stall(SHORT / 4, lambda: asyncio.to_thread(check))


@every_exercise
def test_the_solution_passes_its_check(exercise: Exercise, tmp_path: Path) -> None:
    solve(exercise, tmp_path / "solved")
    for outcome in exercise.check(tmp_path / "solved", BOUND):
        assert outcome.fault is None, outcome.explanation("en")


def test_the_check_runs_with_the_projects_settings() -> None:
    folder = str(FOLDER / "chat" / "solution")
    run_python("manage.py", "exercise", "check", "chat", "--directory", folder)


def texts(table: dict[str, Any], path: str = "") -> Iterator[tuple[str, dict[str, str]]]:
    """Yield the tables of `table` that have no table in them, with their paths."""
    if all(isinstance(value, str) for value in table.values()):
        yield path, table
    for key, value in table.items():
        for number, inner in enumerate(value if isinstance(value, list) else [value]):
            if isinstance(inner, dict):
                yield from texts(inner, f"{path}.{key}.{number}")


@every_exercise
def test_every_text_is_in_every_language(exercise: Exercise) -> None:
    assert exercise.hints and exercise.cases
    document = {key: part for key, part in exercise.document.items() if key != "lane"}
    for path, text in texts(document):
        assert set(text) == LANGUAGES, path
        placeholders = {language: set(PLACEHOLDER.findall(text[language])) for language in text}
        assert len(set(map(frozenset, placeholders.values()))) == 1, (path, placeholders)
        assert re.search("[가-힣]", text["ko"]), path


def test_every_folder_is_an_exercise() -> None:
    folders = {file.parent.name for file in FOLDER.glob("*/exercise.toml")}
    assert folders == set(EXERCISES)
    assert len(EXERCISES) >= 12
    assert list(EXERCISES)[-1] == "own"


def exercise_command(*arguments: str) -> str:
    """Run `manage.py exercise` and return its output."""
    output = io.StringIO()
    call_command("exercise", *arguments, stdout=output)
    return output.getvalue()


def test_list_has_every_exercise_in_each_language() -> None:
    for language in LANGUAGES:
        listing = exercise_command("list", "--language", language)
        for name, exercise in EXERCISES.items():
            assert re.search(rf"\b{name} +{re.escape(exercise.text('title', language))}", listing)


def test_an_exercise_from_its_start_to_its_solution(tmp_path: Path) -> None:
    """Follow the command's own instructions."""
    directory = tmp_path / "poll"
    start = ["start", "poll", "--language", "en", "--directory", str(directory)]
    instructions = exercise_command(*start)
    with pytest.raises(CommandError, match="exists"):
        exercise_command(*start)
    check = re.search(r"python manage\.py exercise (check .*)", instructions)
    run = re.search(r"python (-m uvicorn .*)", instructions)
    assert check and run
    with Program([sys.executable, *shlex.split(run[1]), "--port", "0"], LISTENING, {}) as server:
        url = server.wait_for(LISTENING)[1]
        assert httpx.get(f"{url}/poll/lobby/", timeout=BOUND).json()["events"] == []
    with pytest.raises(SystemExit, match="1"):
        exercise_command(*shlex.split(check[1]))
    assert "feed.history" in exercise_command("hint", "poll", "2", "--language", "en")
    solution = exercise_command("solution", "poll")
    assert (
        solution.partition("\n")[2].strip()
        == (EXERCISES["poll"].solution / "app.py").read_text().strip()
    )
    shutil.copytree(EXERCISES["poll"].solution, directory, dirs_exist_ok=True)
    assert "✓" in exercise_command(*shlex.split(check[1]))


def test_a_check_shows_the_fault_and_the_bytes() -> None:
    folder = EXERCISES["lines"].stub
    output = io.StringIO()
    with pytest.raises(SystemExit, match="1"):
        arguments = ["lines", "--directory", str(folder), "--language", "ko"]
        call_command("exercise", "check", *arguments, stdout=output)
    text = output.getvalue()
    assert "✗ 응답에 Content-Length가 없어요." in text
    assert "HTTP/1.1 200 OK\\r\\n" in text
    assert "content-length: 0\\r\\n" in text


def test_a_program_that_cannot_be_imported_is_named(tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text("import missing_module")
    with pytest.raises(CommandError, match="cannot be imported"):
        exercise_command("check", "poll", "--directory", str(tmp_path), "--language", "en")


def test_a_program_that_blocks_its_event_loop_is_reported(tmp_path: Path) -> None:
    program = (EXERCISES["poll"].solution / "app.py").read_text()
    blocking = "        __import__('time').sleep(2)\n        return await feed"
    (tmp_path / "app.py").write_text(program.replace("        return await feed", blocking))
    outcomes = list(EXERCISES["poll"].check(tmp_path, 0.2))
    assert "blocks its event loop" in outcomes[-1].explanation("en")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["start", "bogus"], "must be one of poll, .*; got bogus"),
        (["check", "poll", "--directory", "missing"], "start the exercise first"),
        (["hint", "poll", "9"], "from 1 to 2; got 9"),
    ],
)
def test_invalid_arguments_are_rejected(arguments: list[str], message: str) -> None:
    with pytest.raises(CommandError, match=message):
        exercise_command(*arguments, "--language", "en")


def test_every_exercise_that_is_a_technique_has_a_lane() -> None:
    without = {name for name, exercise in EXERCISES.items() if not exercise.has_lane}
    assert without == {"token", "once", "own"}, "a token, a task; own/ has a whole technique"


@pytest.mark.parametrize("name", ["poll", "longpoll", "lines", "sse", "chat"])
async def test_the_lane_has_a_client(name: str, tmp_path: Path) -> None:
    """The check's server has the routes without the prefix of the demo."""
    exercise = EXERCISES[name]
    exercise.start(tmp_path / name)
    lane = technique(name)
    with Bench(exercise.solution, BOUND) as bench, importable(tmp_path / name):
        published = await bench.publish("lobby", "seen", "안녕")
        events = import_module("lane.client").events(
            f"http://127.0.0.1:{bench.port}",
            "lobby",
            since=published[0].id,
            path=lane.path.removeprefix(f"/{PREFIX}"),
        )
        async with asyncio.timeout(BOUND), aclosing(events):
            assert await anext(events) == published[1]


@pytest.mark.parametrize("name", [name for name in EXERCISES if EXERCISES[name].has_lane])
def test_the_lane_has_the_address_and_the_source_of_the_exercise(name: str, tmp_path: Path) -> None:
    folder = tmp_path / name
    EXERCISES[name].start(folder)
    lane = technique(name)
    with importable(folder):
        application = run_path(str(folder / "app.py"))["application"]
    mounts = (
        application.http_urlpatterns if lane.scheme == "http" else application.websocket_urlpatterns
    )
    path = lane.url_path("lobby").removeprefix(f"/{PREFIX}/")
    assert [route.pattern.match(path)[2] for route in mounts[0].callback.routes] == [
        {"room": "lobby"}
    ]
    file, _, source = lane.source.partition(":")
    assert f"export class {source} " in Path(str(finders.find(file))).read_text()
    assert f'technique("{name}")' in (folder / "lane" / "__init__.py").read_text()
