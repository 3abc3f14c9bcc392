"""The language of the pages: its choice, and complete translations."""

from __future__ import annotations

import argparse
import ast
import json
import re
from collections.abc import Iterator

import pytest
from channels.management.commands import runworker
from django.conf import settings
from django.core.management import call_command, get_commands, load_command_class
from django.core.management.base import BaseCommand
from django.test import Client, override_settings
from django.utils import translation
from django.utils.html import escape

from realtime_demo.doctor.platforms import PLATFORMS
from realtime_demo.doctor.remedies import NOTES, Finding
from realtime_demo.web import views
from tests.support.program import ROOT, run_python, tracked_files
from transports.command_line import LOCALE_VARIABLES, columns, environment_language, wrap

PLACES = ["/", "/polling/", "/longpoll/", "/streaming/", "/websocket/", "/login/", "/replay/"]
HANGUL = re.compile("[가-힣]")


@pytest.fixture
def client() -> Client:
    return Client(headers={"host": "localhost"})


def language_of(body: bytes) -> str:
    match = re.search(rb'<html lang="(\w+)"', body)
    assert match
    return match[1].decode()


# --- Which language ----------------------------------------------------------------------------


@pytest.mark.parametrize("place", PLACES)
def test_pages_are_in_the_browsers_language(client: Client, place: str) -> None:
    for accepted, language in [("ko-KR,ko;q=0.9,en;q=0.8", "ko"), ("en", "en"), ("fr", "en")]:
        response = client.get(place, headers={"accept-language": accepted})
        assert response.status_code == 200
        assert language_of(response.content) == response.headers["content-language"] == language
        assert "Accept-Language" in response.headers["vary"]


def test_the_lang_parameter_wins_and_is_stored(client: Client) -> None:
    response = client.get("/?lang=ko", headers={"accept-language": "en"})
    assert language_of(response.content) == "ko"
    assert language_of(client.get("/polling/").content) == "ko"
    assert language_of(client.get("/polling/?lang=en").content) == "en"
    assert language_of(client.get("/polling/").content) == "en"


@pytest.mark.parametrize("language", ["", "xx", "../ko", "ko\0", "한국어", "KO"])
def test_an_unknown_language_is_reported_with_the_known_ones(client: Client, language: str) -> None:
    response = client.get("/", {"lang": language})
    assert language_of(response.content) == "en"
    notices = response.content.decode().partition('id="notices"')[2].partition("</div>")[0]
    assert f"lang={escape(language)}”" in notices
    assert "English (en)" in notices and "한국어 (ko)" in notices
    assert "lang=" not in client.get("/login/?lang=en").content.decode().partition("notices")[2]
    assert settings.LANGUAGE_COOKIE_NAME not in response.cookies


@pytest.mark.parametrize("place", [*PLACES, "/?room=algorithms&rate=5"])
def test_each_page_links_to_its_translation(client: Client, place: str) -> None:
    body = client.get(place).content.decode()
    links = re.findall(r'<a href="([^"]+)" lang="ko" hreflang="ko"[^>]*>([^<]+)</a>', body)
    [(address, words)] = links
    assert words == "한국어"
    query = place.partition("?")[2].replace("&", "&amp;")
    assert address == f"?{query}&amp;lang=ko" if query else address == "?lang=ko"


# --- Translations ------------------------------------------------------------------------------


ENGLISH = re.compile(r">\s*([A-Z][a-z]+(?: [a-z]+){2,}[^<{]*)<")


@pytest.mark.parametrize("place", [*PLACES, "/?room=No%20room", "/?room=staff-1"])
def test_korean_pages_have_no_english_sentences(client: Client, place: str) -> None:
    body = client.get(place, headers={"accept-language": "ko"}).content.decode()
    body = re.sub(r"(?s)<(script|code|pre)\b.*?</\1>", "", body)
    assert HANGUL.search(body)
    assert ENGLISH.findall(body) == []


@pytest.mark.parametrize("language", ["en", "ko"])
def test_script_texts_are_in_the_pages_language(client: Client, language: str) -> None:
    body = client.get("/", headers={"accept-language": language}).content.decode()
    assert f'<script defer src="/texts/{language}.js"></script>' in body
    response = client.get(f"/texts/{language}.js", headers={"accept-language": "fr"})
    assert response.headers["content-type"].startswith("text/javascript")
    assert response.headers["content-language"] == language
    korean = f'"Connecting \\u2026": {json.dumps("연결하는 중 …")}'
    assert (korean in response.content.decode()) == (language == "ko")
    unchanged = client.get(
        f"/texts/{language}.js", headers={"if-none-match": response.headers["etag"]}
    )
    assert unchanged.status_code == 304
    assert settings.LANGUAGE_COOKIE_NAME not in response.cookies
    assert client.get("/texts/xx.js").status_code == 404


# --- Errors ------------------------------------------------------------------------------------


@override_settings(DEBUG=False)
@pytest.mark.parametrize("language", ["en", "ko"])
def test_missing_page_is_404(client: Client, language: str) -> None:
    response = client.get("/no/such/page/", headers={"accept-language": language})
    assert response.status_code == 404
    assert "default-src 'none'" in response.headers["content-security-policy"]
    heading, explanation = views.EXPLANATIONS[404]
    with translation.override(language):
        assert f"<h1>{heading}</h1>" in response.content.decode()
        assert str(explanation) in response.content.decode()


def test_a_csrf_failure_has_an_explanation() -> None:
    client = Client(enforce_csrf_checks=True, headers={"host": "localhost"})
    response = client.post("/login/?lang=ko", {"username": "ada", "password": "x"})
    assert response.status_code == 403
    assert "허용되지 않아요" in response.content.decode()


def test_the_500_page_needs_no_request() -> None:
    body = views.error_page(None, 500).content.decode()
    assert "Something went wrong on the server" in body
    assert "csrf" not in body.lower()


# --- Commands ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("variables", "language"),
    [
        ({"LC_ALL": "ko_KR.UTF-8"}, "ko"),
        ({"LANG": "ko_KR.UTF-8"}, "ko"),
        ({"LANG": "ko_KR.UTF-8", "LC_MESSAGES": "en_GB.UTF-8"}, "en"),
        ({"LC_ALL": "", "LANG": "ko"}, "ko"),
        ({"LANG": "fr_FR.UTF-8"}, "en"),
        ({"LANG": "C.UTF-8"}, "en"),
        ({}, "en"),
    ],
)
def test_commands_use_the_locale_of_the_environment(
    variables: dict[str, str], language: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in LOCALE_VARIABLES:
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert environment_language() == language


OWN = sorted(
    name
    for name, app in get_commands().items()
    if name != "makemessages" and not str(app).startswith(("django", "channels", "daphne"))
)
FOREIGN = {
    action.dest
    for command in (BaseCommand(), runworker.Command())
    for action in command.create_parser("manage.py", "")._actions
}


def own_texts(parser: argparse.ArgumentParser) -> Iterator[str]:
    """Yield the description and the help texts that are this project's."""
    yield from filter(None, [parser.description])
    for action in parser._actions:
        if action.help and action.dest not in FOREIGN:
            yield action.help
        if isinstance(action, argparse._SubParsersAction):
            yield from (choice.help or "" for choice in action._choices_actions)
            for each in action.choices.values():
                yield from own_texts(each)


@pytest.mark.parametrize("name", OWN)
def test_the_help_of_a_command_follows_the_locale(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for language, locale in (("ko", "ko_KR.UTF-8"), ("en", "C")):
        monkeypatch.setenv("LC_ALL", locale)
        with translation.override(None):
            command = load_command_class(get_commands()[name], name)
            texts = list(own_texts(command.create_parser("manage.py", name)))
        assert len(texts) > 1
        for text in texts:
            assert bool(HANGUL.search(text)) == (language == "ko"), text


@pytest.mark.parametrize("line", [*OWN, "token issue", "token list", "token revoke"])
def test_korean_help_has_no_english_sentence_and_fits_a_terminal(
    line: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("LC_ALL", "ko_KR.UTF-8")
    monkeypatch.setenv("COLUMNS", "80")
    name, *more = line.split()
    with pytest.raises(SystemExit):
        load_command_class(get_commands()[name], name).run_from_argv(
            ["manage.py", name, *more, "--help"]
        )
    printed = capsys.readouterr().out
    assert not re.search(r"\b[A-Za-z]?[a-z]+ [a-z]+ [a-z]+ [a-z]+\b", printed), printed
    assert HANGUL.search(printed)
    assert max(map(columns, printed.splitlines())) <= 80, printed
    monkeypatch.setenv("LC_ALL", "C")
    with pytest.raises(SystemExit):
        load_command_class(get_commands()[name], name).run_from_argv(
            ["manage.py", name, *more, "--help"]
        )
    printed = capsys.readouterr().out
    assert max(map(len, printed.splitlines())) <= 80, printed


def test_lines_are_wrapped_by_columns() -> None:
    text = "한 번에 검사 4개, 연결은 두 개"
    assert [*map(columns, wrap(text, 12, indent="  "))] == [12, 6, 11, 4]
    assert " ".join(line.strip() for line in wrap(text, 12, indent="  ")) == text


def test_settings_errors_are_in_the_language_of_the_environment() -> None:
    environment = {"LC_ALL": "ko_KR.UTF-8", "MAX_ROOMS": "many"}
    completed = run_python("manage.py", "check", env=environment, exit_code=1)
    assert completed.stderr == (
        "설정 오류: MAX_ROOMS은(는) 1 이상의 정수여야 합니다. 받은 값: 'many'\n"
    )


@pytest.mark.parametrize(
    ("line", "language"),
    [
        ("advise --clinets 1", "ko"),
        ("conform http://", "ko"),
        ("conform --list nothing", "ko"),
        ("conform http://127.0.0.1:1/", "ko"),
        ("exercise", "ko"),
        ("advise --language en --clients 0", "en"),
        ("publish lobby hello --data {", "ko"),
    ],
)
def test_the_error_of_a_command_follows_its_language(
    line: str,
    language: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("LC_ALL", "ko_KR.UTF-8")
    name = line.split()[0]
    with pytest.raises(SystemExit):
        load_command_class(get_commands()[name], name).run_from_argv(["manage.py", *line.split()])
    error = capsys.readouterr().err.strip().splitlines()[-1]
    assert bool(HANGUL.search(error)) == (language == "ko"), error


def test_advice_is_in_the_chosen_language(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LC_ALL", "ko_KR.UTF-8")
    call_command("advise")
    korean = capsys.readouterr().out
    call_command("advise", "--language", "en")
    english = capsys.readouterr().out
    assert all(HANGUL.search(line) for line in korean.split("\n\n")), "in each paragraph"
    assert "Assumptions" in english and not HANGUL.search(english)


def test_the_doctors_findings_are_in_the_chosen_language() -> None:
    with translation.override("ko"):
        for what in NOTES:
            finding = Finding("sse", what, "")
            assert HANGUL.search(finding.name) or finding.name == "HTTP/1.1", what
            assert HANGUL.search(finding.cure([])), what
            for platform in PLATFORMS.values():
                remedy = platform.remedies.get(what)
                assert not (remedy and remedy.note) or HANGUL.search(finding.cure([platform])), what
    assert Finding("sse", "buffers", "").cure([]) == NOTES["buffers"]


def test_no_message_is_inside_an_f_string() -> None:
    """`make messages` does not find a message there, so that it would stay English."""
    inside = [
        f"{name}:{call.lineno}"
        for name in tracked_files("realtime_demo/*.py", "transports/*.py")
        for string in ast.walk(ast.parse((ROOT / name).read_text()))
        if isinstance(string, ast.JoinedStr)
        for call in ast.walk(string)
        if isinstance(call, ast.Call)
        and isinstance(call.func, ast.Name)
        and call.func.id in ("_", "gettext", "ngettext")
        and isinstance(call.args[0], ast.Constant)
    ]
    assert not inside
