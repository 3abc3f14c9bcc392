"""Errors of the management commands, which name what was expected and what came."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from django.core.management import CommandError, get_commands, load_command_class

from benchmarks import cli as benchmarks
from faults import cli as faults
from faults import soak
from tests.support.program import run_python

FILES = {
    "table.csv": b"technique,median",
    "binary.json": b"\xff\xfe\x00",
    "object.json": b"{}",
    "list.json": b"[]",
    "number.json": b"7",
    "half.json": b'{"configurations":',
    "none.json": b'{"configurations": []}',
    "member.json": b'{"configurations": [{"settings": {"techniques": ["sse"], "colour": 1}}]}',
    "type.json": b'{"configurations": [{"settings": {"techniques": ["sse"], "clients": "5"}}]}',
}
RESULT = "expected a.* result of compare --json"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the working directory, which contains `FILES`."""
    for name, content in FILES.items():
        (tmp_path / name).write_bytes(content)
    (tmp_path / "folder").mkdir()
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(command: str, *arguments: str) -> None:
    """Run a management command as a command line does: with the parser's types and choices."""
    loaded = load_command_class(get_commands()[command], command)
    options = vars(loaded.create_parser("manage.py", command).parse_args(arguments))
    loaded.execute(*options.pop("args", ()), **options)


@pytest.mark.parametrize(
    ("line", "words"),
    [
        # Files: the name, and the reason why it cannot be used.
        *((f"advise --measurements {name}", f"{name}: {RESULT}") for name in FILES),
        *((f"compare --rerun {name}", f"{name}: {RESULT}") for name in FILES),
        ("advise --measurements absent.json", f"absent.json: {RESULT}.*No such file"),
        ("compare --rerun absent.json", f"absent.json: {RESULT}.*No such file"),
        ("advise --measurements folder", f"folder: {RESULT}.*Is a directory"),
        ("compare --rerun folder", f"folder: {RESULT}.*Is a directory"),
        *(
            (f"compare --{option} nowhere/file", f"--{option}: expected an existing directory; got")
            for option in ("json", "summary", "csv", "report")
        ),
        ("compare --report folder", "--report: expected a file to write; got 'folder'"),
        # Names: the existing ones.
        ("compare --techniques smoke", "one of polling, .*websocket-sync; got 'smoke'"),
        ("compare --techniques ,", "one of polling, .*websocket-sync; got ''"),
        ("compare --techniques sse,sse", "once; got sse, sse"),
        ("compare --scenario picnic", "--scenario: invalid choice: 'picnic' .*chat.*mobile"),
        ("compare --adapter carrier=/x", "framing of polling, .*websocket; got 'carrier=/x'"),
        ("compare --adapter sse", "An adapter must be FRAMING=PATH.*got 'sse'"),
        ("compare --adapter sse=/x/{rom}/", r"as sse=/events/{room}/.*got 'sse=/x/{rom}/'"),
        ("compare --publish /x/{rom}/", r"--publish must be as /publish/{room}/; got '/x/{rom}/'"),
        ("compare --publish publish", r"--publish must be as /publish/{room}/; got 'publish'"),
        ("compare --http-client curl", "http_client must be one of httpx, lean; got 'curl'"),
        ("compare --sweep colour=1", "must be of interval, .*; got 'colour'"),
        ("compare --language fr", "--language: invalid choice: 'fr' .*en.*ko"),
        ("advise --language fr", "--language: invalid choice: 'fr' .*en.*ko"),
        ("doctor http://localhost --language fr", "--language: invalid choice: 'fr' .*en.*ko"),
        ("exercise check bogus", "NAME must be one of .*longpoll.*; got bogus"),
        ("exercise check", "NAME must be one of .*longpoll.*; got None"),
        ("exercise list poll", "list shows all exercises: give no NAME"),
        ("exercise start poll --directory table.csv/x", "cannot create .*Not a directory"),
        ("notes 99", "A claim must be from 1 to .*; got 99"),
        ("notes --write table.csv", "--write: expected an existing directory .*got 'table.csv'"),
        ("runworker background-tasks --layer x", "--layer must be one of default; got 'x'"),
        ("runworker bogus", "must be one of background-tasks; got 'bogus'"),
        ("runworker background-tasks", "REDIS_URL"),
        ("demo --server apache", "--server: invalid choice: 'apache' .*uvicorn"),
        ("demo --room Kitchen --no-browser", "--room: A room's name must .* Got 'Kitchen'"),
        # Numbers.
        ("compare --clients many", "--clients: invalid int value: 'many'"),
        ("compare --rate 0", "rate must be above 0; got 0"),
        ("compare --rate nan", "rate must be above 0; got nan"),
        ("compare --rate inf", "rate must be finite; got inf"),
        ("compare --sweep rate=1,inf", "rate must be finite"),
        ("compare --sweep rtt=slow", "--sweep must be as rtt=0,50,200; got 'rtt=slow'"),
        ("compare --sweep clients=inf", "clients must be finite"),
        ("compare --sweep clients=1.5", "clients must be an integer"),
        ("compare --duration inf", "duration must be finite"),
        ("compare --rate 1e300", "at most 1,000,000 events"),
        ("compare --rtt inf", "rtt must be finite"),
        ("compare --repeat 0", "--repeat must be 1 or more; got 0"),
        ("compare --hold 56", "hold must be at most 55 s; got 56"),
        ("compare --no-tap --rtt 10", "need the tap"),
        ("compare --bandwidth 1 --rate 50", "exceed the bandwidth"),
        ("compare --rate 0.01 --duration 1", "No event falls"),
        ("advise --clients 0", "--clients must be finite and above 0; got 0"),
        ("advise --rate nan", "--rate must be finite and above 0; got nan"),
        ("advise --tolerate -1", "--tolerate must be finite and above 0; got -1"),
        ("advise --rtt -5", "--rtt must be finite and 0 or more; got -5"),
        ("advise --cores 0", "--cores, --memory and --network must be finite and above 0"),
        ("advise --network inf", "--cores, --memory and --network must be finite and above 0"),
        ("advise --rooms 0", "--rooms must be 1 or more; got 0"),
        ("demo --port 70000", "--port must be from 0 to 65535; got 70000"),
        ("production --port 70000", "--port must be from 1 to 65535; got 70000"),
        ("production --port 0", "--port must be from 1 to 65535; got 0"),
        ("production --servers 0", "--servers must be from 1 .*got 0"),
        ("production --workers -1", "--workers must be from 0 .*got -1"),
        ("production --directory table.csv/x", "--directory: cannot create .*Not a directory"),
        ("doctor http://localhost --idle 56", "--idle must be .* at most 55; got 56"),
        ("doctor http://localhost --idle 0", "--idle must be .* got 0"),
        ("doctor http://localhost --idle nan", "--idle must be .* got nan"),
        ("token issue ada --expires 3y", "--expires: Expected a duration .*got '3y'"),
        # Addresses.
        *(
            (f"compare --server {url}", r"--server must be as http://host:port; got '")
            for url in ("example", "http://", "http://[::1", "http://h:99999", "http://h:port")
        ),
        *(
            (f"doctor {url}", r"must be as https://host\[:port\]; got '")
            for url in ("example", "http://[::1", "http://:80", "http://h:99999", "ftp://h")
        ),
    ],
)
def test_an_error_names_option_expectation_and_value(
    line: str, words: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(CommandError, match=words):
        run(*line.split())
    monkeypatch.setenv("LC_ALL", "ko_KR.UTF-8")
    with pytest.raises(CommandError, match=r"[가-힣]"):
        run(*line.split())


@pytest.mark.parametrize(
    ("tool", "line", "words"),
    [
        (faults, "--only picnic", "--only: invalid choice: 'picnic' .*server-killed"),
        (faults, "--clients many", "--clients: expected a number, at least 1; got 'many'"),
        (faults, "--rate 0", "--rate: expected a number, at least 0.01; got '0'"),
        (faults, "--json nowhere/file", "--json: expected an existing directory"),
        (soak, "--markdown folder", "--markdown: expected a file to write; got 'folder'"),
        (soak, "--minutes inf", "--minutes: expected a number, at least .*got 'inf'"),
        (benchmarks, "--only picnic", "--only: invalid choice: 'picnic' .*fanout"),
        (benchmarks, "--json nowhere/file", "--json: expected an existing directory"),
    ],
)
def test_an_error_of_a_tool_names_its_option(
    tool: object, line: str, words: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        tool.parser().parse_args(line.split())  # type: ignore[attr-defined]
    assert re.search(words, capsys.readouterr().err, re.DOTALL)


def test_an_error_in_the_settings_has_no_traceback() -> None:
    completed = run_python("manage.py", "demo", env={"SERVER": "apache"}, exit_code=1)
    assert completed.stderr == (
        "Error in the settings: SERVER must be one of uvicorn, daphne, hypercorn, granian; "
        "got 'apache'.\n"
    )


def test_an_interrupted_command_has_no_traceback(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupt(*args: object, **options: object) -> None:
        raise KeyboardInterrupt

    command = load_command_class("realtime_demo", "advise")
    monkeypatch.setattr(command, "handle", interrupt)
    with pytest.raises(SystemExit) as ended:
        command.run_from_argv(["manage.py", "advise"])
    assert ended.value.code == 130
    assert capsys.readouterr().err == "Interrupted.\n"


@pytest.mark.parametrize(("secret", "warned"), [("", True), ("a secret", False)])
def test_processes_without_a_common_secret_are_warned(secret: str, warned: bool) -> None:
    environment = {"REDIS_URL": "redis://127.0.0.1:1", "SECRET_KEY": secret}
    loaded = run_python("-c", "import realtime_demo.asgi", env=environment)
    assert ("SECRET_KEY is not set" in loaded.stderr) == warned
