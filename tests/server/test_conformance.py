"""The conformance kit, run against this project, two small servers, and wrong servers."""

from __future__ import annotations

import ast
import asyncio
import io
import json
import re
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from xml.etree import ElementTree

import pytest
from django.core.management import call_command
from django.utils import translation
from django.utils.translation import gettext

from conformance import longpoll, runner, streams
from conformance.case import SENTENCES
from conformance.catalog import CASES, select
from conformance.cli import main
from conformance.probe import Probe
from conformance.raw import Origin, split
from conformance.runner import Result
from realtime_demo.management.commands.makemessages import EXCEPTIONS
from realtime_demo.production.certificate import ensure
from tests.support.live import SERVER, LiveServer
from tests.support.program import ROOT

from .wrong_servers import WrongServer, wrong_servers

# The cases that this project fails on Uvicorn, all of level SHOULD. Remove those that are fixed.
KNOWN_FAILURES = {"rfc9110/6.2/minor-version", "rfc9110/9.1/unknown-method"}
# Reasons that do not show the fault of the case, except where silence is the fault.
NO_ANSWER = ("no connection", "the server sent nothing", "the server closed", "the server reset")
SILENCE_IS_THE_FAULT = {"rfc9112/9.6/half-close", "rfc9112/9.6/half-closed-poll"}


def failed(results: list[Result]) -> dict[str, str]:
    """Return the ids of the failed cases with their reasons."""
    return {result.case.id: result.reason for result in results if result.outcome == "failed"}


def test_ids_are_unique_and_cases_are_many() -> None:
    assert len({case.id for case in CASES}) == len(CASES) >= 120
    assert all(case.place and case.sentence for case in CASES)
    used = {(case.level, case.sentence) for case in CASES}
    for level, sentences in SENTENCES.items():
        assert [each for each in sentences.values() if (level, each) not in used] == []


@pytest.mark.own_server
@pytest.mark.skipif(SERVER != "uvicorn", reason="the table of known failures is Uvicorn's")
async def test_this_server_fails_only_known_cases(memory_live_server: LiveServer) -> None:
    origin, target = split(memory_live_server.url)
    probe = Probe.of(origin, target, "ours", timeout=5, publish=True)
    results = await runner.run(probe, select("ours"), at_once=8)
    assert failed(results).keys() == KNOWN_FAILURES, failed(results)


async def run_against(server: WrongServer, shown: set[str], seconds: float) -> list[Result]:
    """Run those of the server's cases whose ids are not in `shown`."""
    cases = [case for case in CASES if case.id.startswith(server.sections)]
    cases = [case for case in cases if case.id not in shown]
    async with server.serve() as port:
        origin = Origin(False, "127.0.0.1", port)
        probe = Probe.of(origin, "/", "ours", timeout=seconds, publish=True)
        return await runner.run(probe, cases, at_once=server.at_once)


async def test_every_case_can_fail(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(longpoll, "LONGEST", 0.1)
    monkeypatch.setattr(streams, "PROMPT", 0)
    monkeypatch.setattr(streams, "HEARTBEAT", 0.05)
    monkeypatch.setattr(streams, "MARGIN", 0.01)
    shown: set[str] = set()
    # The first limit is enough unless the machine is busy; then only the missing cases run again.
    for seconds in (0.2, 1.0, 3.0, 3.0):
        running = [run_against(server, shown, seconds) for server in wrong_servers()]
        for results in await asyncio.gather(*running):
            for identifier, reason in failed(results).items():
                if not reason.startswith(NO_ANSWER) or identifier in SILENCE_IS_THE_FAULT:
                    shown.add(identifier)
        if len(shown) == len(CASES):
            break
    assert [case.id for case in CASES if case.id not in shown] == []


class TenLines(BaseHTTPRequestHandler):
    """An event stream as a tutorial writes it."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/plain")
        self.end_headers()
        for number in range(3):
            self.wfile.write(f"event: {number}\nmessage: hello\n\n".encode())

    def log_message(self, *arguments: object) -> None:
        pass


class GoodStream(BaseHTTPRequestHandler):
    """An event stream that meets every requirement of its standard."""

    protocol_version = "HTTP/1.1"
    stopped = threading.Event()

    def do_GET(self) -> None:
        self.send_response(200)
        for name, value in (
            ("Content-Type", "text/event-stream"),
            ("Cache-Control", "no-store, no-transform"),
            ("X-Content-Type-Options", "nosniff"),
            ("Cross-Origin-Resource-Policy", "same-origin"),
            ("X-Accel-Buffering", "no"),
            ("Incremental", "?1"),
            ("Connection", "close"),
        ):
            self.send_header(name, value)
        self.end_headers()
        self.close_connection = True
        if self.command == "GET":
            since = self.headers.get("Last-Event-ID", "")
            first = int(since) if since.isdigit() and len(since) < 3 else 0
            for number in range(first + 1, 4):
                self.wfile.write(f"id: {number}\nretry: 1000\ndata: hello\n\n".encode())
            self.wfile.write(b":\n\n")
            self.stopped.wait(30)

    do_HEAD = do_GET

    def log_message(self, *arguments: object) -> None:
        pass


class QuietServer(ThreadingHTTPServer):
    def handle_error(self, request: object, client_address: object) -> None:
        """Print nothing: the kit cuts connections."""


@contextmanager
def served(
    handler: type[BaseHTTPRequestHandler], tls: ssl.SSLContext | None = None
) -> Iterator[str]:
    server = QuietServer(("127.0.0.1", 0), handler)
    if tls:
        server.socket = tls.wrap_socket(server.socket, server_side=True)
    GoodStream.stopped.clear()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield f"http{'s' if tls else ''}://127.0.0.1:{server.server_port}/"
    finally:
        GoodStream.stopped.set()
        server.shutdown()
        thread.join()
        server.server_close()


def test_a_ten_line_server_gets_a_report_of_its_faults(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    report, junit = tmp_path / "report.json", tmp_path / "junit.xml"
    with served(TenLines) as url:
        options = ["--profile", "sse", "--json", str(report), "--junit", str(junit)]
        assert main([url, "sse", "headers", *options]) == 1
    cases = {case["id"]: case for case in json.loads(report.read_text())["cases"]}
    failures = {identifier for identifier, case in cases.items() if case["outcome"] == "failed"}
    assert failures == {
        "sse/9.2.2/content-type",
        "sse/9.2.2/does-not-end",
        "sse/9.2.7/heartbeat",
        "sse/9.2.6/known-fields",
        "sse/9.2.6/event-has-data",
        *(case.id for case in select("sse", ["headers"]) if case.id in failures),
    }
    assert "headers/no-store/sse" in failures
    assert cases["sse/9.2.6/retry-has-digits"]["outcome"] == "skipped"
    output = capsys.readouterr().out
    assert "expected text/event-stream; got 'text/plain'" in output
    assert "clients ignore these lines, which are not fields: 'message'" in output
    assert output.startswith("MUST (WHATWG HTML §9.2.2)"), "its own standard comes first"
    suite = ElementTree.parse(junit).getroot()
    assert suite.get("tests") == str(len(cases))
    # A SHOULD is a failure of JUnit only with --strict.
    assert [case.get("name") for case in suite if case.find("failure") is not None] == [
        "content-type"
    ]


def test_a_good_server_passes(capsys: pytest.CaptureFixture[str]) -> None:
    with served(GoodStream) as url:
        assert main([url, "sse", "headers", "--strict", "--timeout", "3"]) == 0
    assert "0 MUST failed, 0 SHOULD failed" in capsys.readouterr().out


def test_a_tls_server_is_checked(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    certificate, key = tmp_path / "certificate.pem", tmp_path / "key.pem"
    ensure(certificate, key, "127.0.0.1")
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate, key)
    sections = ["sse/9.2.2/content-type", "rfc9112/3.2/host-missing", "rfc9112/9.6/half-close"]
    with served(TenLines, context) as url:
        assert main([url, *sections, "--profile", "sse"]) == 2
        assert "certificate" in capsys.readouterr().err
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
        assert main([url, *sections, "--profile", "sse"]) == 1
    output = capsys.readouterr().out
    assert "expected text/event-stream; got 'text/plain'" in output
    assert "rfc9112/3.2/host-missing: expected status 400; got 200" in output
    assert "a half-close is not possible over TLS: rfc9112/9.6/half-close" in output


@pytest.mark.parametrize(("answer", "runs"), [("y", True), ("", False)])
def test_a_prompt_precedes_publishing(
    answer: str, runs: bool, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    prompt = Terminal()
    monkeypatch.setattr("sys.stdin", Terminal(f"{answer}\n"))
    monkeypatch.setattr("sys.stderr", prompt)
    with served(TenLines) as url:
        code = main([url, "contract/publish/event", "--profile", "ours"])
    assert f"1 case sends data that {url} may store or act on. Run it?" in prompt.getvalue()
    assert code == int(runs), "a publish was tried, and failed"
    assert ("it publishes: --publish permits that" in capsys.readouterr().out) is not runs


def test_the_management_command_is_the_same(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as exit_:
        call_command("conform", "rfc9112/3.2", "--list")
    assert exit_.value.code == 0
    assert "rfc9112/3.2/host-missing" in capsys.readouterr().out


def test_the_management_command_speaks_korean(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    file = tmp_path / "results.json"
    with served(TenLines) as url, pytest.raises(SystemExit):
        sections = ["sse", "rfc9112/9.6"]
        options = ["--profile", "sse", "--language", "ko", "--json", str(file)]
        call_command("conform", url, *sections, *options)
    output = capsys.readouterr().out
    assert "건너뛴 항목:" in output
    assert "sse/9.2.2/content-type: text/event-stream이어야 합니다. 받은 값: 'text/plain'" in output
    reasons = re.findall(r"^  - \S+: (.*)$", output, re.MULTILINE)
    assert reasons and all(re.search("[가-힣]", reason) for reason in reasons)
    assert "MUST 실패" in output.splitlines()[-1]
    assert "expected text/event-stream; got 'text/plain'" in file.read_text()
    assert not re.search("[가-힣]", file.read_text()), "a program's input is in English"


def test_without_a_terminal_progress_is_in_lines(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("conformance.cli.PROGRESS_INTERVAL", 0.001)
    with served(TenLines) as url:
        main([url, "rfc9112/3.2", "--profile", "sse"])
    assert re.search(r"^… \d+/\d+$", capsys.readouterr().err, re.MULTILINE)


def test_every_reason_of_a_case_is_in_the_catalog() -> None:
    marks = {*EXCEPTIONS, "gettext_noop"}
    messages = [
        call.args[0]
        for file in (ROOT / "conformance").glob("*.py")
        for call in ast.walk(ast.parse(file.read_text()))
        if isinstance(call, ast.Call) and getattr(call.func, "id", "") in marks
    ]
    texts = [str(message.value) for message in messages if isinstance(message, ast.Constant)]
    assert {ast.unparse(each) for each in messages if not isinstance(each, ast.Constant)} <= {
        "message"  # a parameter: its callers mark the values
    }
    with translation.override("ko"):
        for text in texts:
            assert text == "{line!r}: {error}" or re.search("[가-힣]", gettext(text)), text


def test_a_section_selects_its_cases(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--list", "rfc9112/3.2"]) == 0
    listed = [line.split()[1].rstrip(":") for line in capsys.readouterr().out.splitlines()]
    assert "rfc9112/3.2/host-missing" in listed
    assert all(identifier.startswith("rfc9112/3.2/") for identifier in listed)


def test_output_on_a_terminal_cuts_no_word(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    main(["--list", "sse"])
    words = capsys.readouterr().out.split()
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    main(["--list", "sse"])
    printed = capsys.readouterr().out
    assert printed.split() == words
    assert max(map(len, printed.splitlines())) <= 80


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "URL is missing"),
        (["example.com"], "it must begin with http://"),
        (["http://127.0.0.1:1/"], "no connection"),
        (["http://127.0.0.1:1/", "--timeout", "0"], "must be above 0"),
        (["http://127.0.0.1:1/", "--timeout", "inf"], "must be above 0"),
        (
            ["http://127.0.0.1:1/", "--json", "nowhere/file"],
            "--json: nowhere/file cannot be written",
        ),
        (["http://127.0.0.1:1/", "--junit", "/"], "--junit: / cannot be written"),
        (["--list", "--profile", "http", "sse"], "it needs --profile sse or ours"),
        (["--list", "rfc1"], "no case of profile ours is in 'rfc1'"),
    ],
)
def test_unusable_arguments_exit_with_2(
    arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments) == 2
    assert message in capsys.readouterr().err


async def test_nothing_is_published_without_permission() -> None:
    received: list[bytes] = []

    def record(data: bytes, count: int) -> bytes:
        received.append(data)
        return b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"

    publishing = [case for case in CASES if case.publishes]
    async with WrongServer("records", record, ()).serve() as port:
        probe = Probe.of(Origin(False, "127.0.0.1", port), "/", "ours", timeout=0.2, publish=False)
        results = await asyncio.wait_for(runner.run(probe, publishing), 10)
    assert {result.outcome for result in results} == {"skipped"}
    assert received == []
