"""The verdicts on the notes: the experiment of each, and tests of the details."""

from __future__ import annotations

import ast
import asyncio
import json
from importlib.metadata import requires
from io import StringIO
from pathlib import Path
from typing import Any

import channels.auth
import pytest
from channels.consumer import AsyncConsumer, SyncConsumer
from channels.generic.http import AsyncHttpConsumer
from channels.routing import ChannelNameRouter
from django.conf import settings
from django.core.management import CommandError, call_command, get_commands
from django.utils.translation import gettext, override

from realtime_demo.management.commands import notes
from realtime_demo.notes.claims import CLAIMS, Claim, Verdict
from realtime_demo.notes.laboratory import Laboratory, Observation
from realtime_demo.notes.page import LANGUAGES, RECORD, evidence, page
from realtime_demo.production import programs
from tests.support.database import migrated
from tests.support.live import LiveServer
from tests.support.program import ROOT, missing
from tests.support.redis_server import RedisServer
from tests.support.waiting import BOUND

pytestmark = [pytest.mark.own_server]

DOCS = ROOT / "docs"
ON_REDIS = {9, 16, 17}
# Claims whose experiments need Redis, a database and workers: they share one server.
TOGETHER = [(16, 17)]
GROUPS = [(claim.number,) for claim in CLAIMS if claim.number not in (16, 17)] + TOGETHER


async def observe(laboratory: Laboratory, numbers: tuple[int, ...]) -> dict[int, Observation]:
    async with laboratory:
        try:
            return {n: await CLAIMS[n - 1].experiment(laboratory) for n in numbers}
        except programs.Missing as error:
            missing(str(error))


@pytest.mark.parametrize(
    "numbers",
    [
        pytest.param(
            numbers,
            id="-".join(map(str, numbers)),
            marks=[pytest.mark.redis] if ON_REDIS.intersection(numbers) else [],
        )
        for numbers in GROUPS
    ],
)
async def test_a_verdict_is_observed(
    numbers: tuple[int, ...], request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    if ON_REDIS.intersection(numbers):
        redis: RedisServer = request.getfixturevalue("redis_server")
        database = migrated(tmp_path) if numbers in TOGETHER else None
        laboratory = Laboratory(redis_url=redis.url, database=database)
    else:
        server: LiveServer = request.getfixturevalue("memory_live_server")
        laboratory = Laboratory(server_url=server.url)
    observations = await observe(laboratory, numbers)
    for number, observation in observations.items():
        assert observation.confirms, (number, [str(each) for each in observation.sentences])


def test_the_claims_are_numbered_in_order() -> None:
    assert [claim.number for claim in CLAIMS] == list(range(1, 18))


@pytest.mark.parametrize("claim", CLAIMS, ids=lambda claim: str(claim.number))
def test_a_claim_names_tests_that_exist(claim: Claim) -> None:
    assert bool(claim.condition) == (claim.verdict is Verdict.CONDITIONAL)
    for file, name in evidence(claim):
        tree = ast.parse((ROOT / file).read_text())
        functions = (ast.FunctionDef, ast.AsyncFunctionDef)
        assert name in {node.name for node in tree.body if isinstance(node, functions)}, name


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_page_is_made_from_the_claims(language: str) -> None:
    """`manage.py notes --write docs` renews it."""
    record = json.loads((DOCS / RECORD).read_text())
    assert (DOCS / LANGUAGES[language]).read_text() == page(language, record)


@pytest.mark.parametrize("claim", CLAIMS, ids=lambda claim: str(claim.number))
def test_a_claim_is_translated(claim: Claim) -> None:
    with override("ko"):
        for text in filter(None, (claim.text, claim.finding, claim.condition)):
            assert gettext(text) != text


def test_the_command_prints_verdict_experiment_and_tests(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """In Korean; an experiment that needs no server."""
    call_command("notes", "13", "--language", "ko")
    printed = capsys.readouterr().out
    with override("ko"):
        assert gettext(CLAIMS[12].condition) in printed
    assert "150" in printed and "100" in printed
    assert "tests/server/test_notes.py::test_a_verdict_is_observed" in printed


def test_the_command_lists_without_experiments(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(notes, "print_outcome", None)
    call_command("notes", "--list")
    printed = capsys.readouterr().out
    assert "17  A worker can be started from a view." in printed


def test_a_contradicted_verdict_fails_the_command(monkeypatch: pytest.MonkeyPatch) -> None:
    async def contradicting(laboratory: Laboratory) -> Observation:
        observation = Observation()
        observation.expect(False)
        return observation

    claim = Claim(1, "A claim.", Verdict.HOLDS, "A finding.", contradicting)
    monkeypatch.setattr(notes, "CLAIMS", (claim,))
    with pytest.raises(CommandError, match=r"\[1\] contradict"):
        call_command("notes", "1")


def test_the_command_goes_on_after_an_experiment_that_cannot_run(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    async def missing_nginx(laboratory: Laboratory) -> Observation:
        raise programs.Missing("nginx is missing")

    async def endless(laboratory: Laboratory) -> Observation:
        await asyncio.Event().wait()
        return Observation()

    experiments = (missing_nginx, endless)
    claims = [Claim(n, "A.", Verdict.HOLDS, "B.", each) for n, each in enumerate(experiments, 1)]
    monkeypatch.setattr(notes, "CLAIMS", claims)
    monkeypatch.setattr(notes, "LIMIT", 0.1)
    call_command("notes")
    printed = capsys.readouterr().out
    assert "Not run: nginx is missing" in printed
    assert "It did not end in 0.1 s." in printed


def test_the_pages_are_written_from_a_run(tmp_path: Path) -> None:
    record = json.loads((DOCS / RECORD).read_text())
    (tmp_path / RECORD).parent.mkdir()
    observations = {int(number): Observation() for number in record["observations"]}
    for number, observation in observations.items():
        for text, values in record["observations"][str(number)]:
            observation.add(text, **values)
    notes.write(tmp_path, observations)
    written = json.loads((tmp_path / RECORD).read_text())
    assert written["observations"] == record["observations"]
    assert written["run"].keys() == record["run"].keys()
    for language, name in LANGUAGES.items():
        assert (tmp_path / name).read_text() == page(language, written)


@pytest.mark.parametrize("arguments", [["0"], ["18"], ["--write", "docs", "3"]])
def test_invalid_arguments_are_rejected(arguments: list[str]) -> None:
    with pytest.raises(CommandError):
        call_command("notes", *arguments, stdout=StringIO())


def test_both_languages_are_offered() -> None:
    assert list(LANGUAGES) == [code for code, _ in settings.LANGUAGES]


# --- What else has changed since the notes --------------------------------------------------


def test_channels_does_not_require_daphne() -> None:
    requirements = requires("channels") or []
    daphne = [line for line in requirements if line.startswith("daphne")]
    assert daphne
    assert all("extra ==" in line for line in daphne)
    assert get_commands()["runserver"] != "django.core", "another app overrides runserver"


async def test_channel_name_router_needs_an_application() -> None:
    class Task(SyncConsumer):  # type: ignore[misc]
        pass

    scope = {"type": "channel", "channel": "background-tasks"}
    with pytest.raises(TypeError):
        await ChannelNameRouter({"background-tasks": Task})(scope, None, None)
    assert asyncio.iscoroutinefunction(Task.as_asgi())


def test_channels_has_no_token_auth() -> None:
    assert not hasattr(channels.auth, "TokenAuthMiddlewareStack")
    assert hasattr(channels.auth, "AuthMiddlewareStack")


async def test_a_busy_http_consumer_misses_a_disconnect() -> None:
    """Dispatch is serial: the disconnect is queued behind the handler that waits for an event."""
    started, disconnected = asyncio.Event(), asyncio.Event()

    class LongPoll(AsyncHttpConsumer):  # type: ignore[misc]
        channel_layer_alias = ""

        async def handle(self, body: bytes) -> None:
            started.set()
            await asyncio.Event().wait()

        async def disconnect(self) -> None:
            disconnected.set()

    messages: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
    messages.put_nowait({"type": "http.request", "body": b""})
    scope = {"type": "http", "method": "GET", "path": "/", "headers": []}
    consumer = asyncio.create_task(LongPoll.as_asgi()(scope, messages.get, None))
    async with asyncio.timeout(BOUND):
        await started.wait()
        messages.put_nowait({"type": "http.disconnect"})
        for _ in range(50):
            await asyncio.sleep(0)
    assert messages.qsize() == 1, "the disconnect is not received"
    assert not disconnected.is_set()
    consumer.cancel()
    await asyncio.wait([consumer])


def test_synchronous_consumers_share_a_thread() -> None:
    assert SyncConsumer._sync
    assert not AsyncConsumer._sync
    assert SyncConsumer.__dict__["dispatch"]._thread_sensitive
