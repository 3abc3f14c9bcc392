"""The translations' catalogs: complete, and compiled."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.conf import settings

from tests.support.program import ROOT, need
from transports.registry import TECHNIQUES

LANGUAGES = [code for code, _ in settings.LANGUAGES if code != settings.LANGUAGE_CODE]
# Texts in Python, in a template and in a script.
MARKED = {
    "django": {TECHNIQUES[0].caveats[0].text, "Log in", "Side by side"},
    "djangojs": {"Connecting …", "{value}\u00a0ms", "Missing: {numbers}"},
}
PLACEHOLDER = re.compile(r"%\(\w+\)s|\{[\w.]+(?:![rsa])?(?::[^}]*)?\}")
PAIR = re.compile(r'^msgid (".+")\nmsgstr (".*")$', re.MULTILINE)

each_catalog = pytest.mark.parametrize("domain", MARKED)
each_language = pytest.mark.parametrize("language", LANGUAGES)


@pytest.fixture(scope="session", autouse=True)
def gettext_tools() -> None:
    need("msgmerge", "gettext")


@pytest.fixture(scope="session")
def renewed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a copy of the project with catalogs renewed as by `make messages`."""
    copy = tmp_path_factory.mktemp("catalogs") / "project"
    ignored = shutil.ignore_patterns(".*", "build", "docs", "node_modules", "tests", "__pycache__")
    shutil.copytree(ROOT, copy, ignore=ignored)
    for domain in MARKED:
        command = [sys.executable, "manage.py", "makemessages", "--domain", domain]
        subprocess.run(command, cwd=copy, check=True, capture_output=True, text=True)
    return copy


def catalog(root: Path, language: str, domain: str) -> Path:
    return root / "locale" / language / "LC_MESSAGES" / f"{domain}.po"


def translations(path: Path) -> dict[str, str]:
    """Return the texts of a .po or .mo file, with their translations."""
    tool = "msgunfmt" if path.suffix == ".mo" else "msgcat"
    command = [tool, "--no-wrap", "--sort-output", str(path)]
    listing = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    return {unquoted(text): unquoted(translation) for text, translation in PAIR.findall(listing)}


def unquoted(text: str) -> str:
    return text[1:-1].replace('\\"', '"').replace("\\\\", "\\")


def faults(path: Path) -> Iterator[str]:
    """Yield the faults in the translations of a .po file."""
    if re.search("^#(,.*fuzzy|~)", path.read_text(), re.MULTILINE):
        yield "a guessed or an obsolete translation"
    for text, translation in translations(path).items():
        if not translation:
            yield f"not translated: {text}"
        elif set(PLACEHOLDER.findall(text)) != set(PLACEHOLDER.findall(translation)):
            yield f"other placeholders: {text}"


@each_catalog
@each_language
def test_every_text_is_translated(renewed: Path, language: str, domain: str) -> None:
    known = translations(catalog(ROOT, language, domain))
    marked = translations(catalog(renewed, language, domain))
    assert known.keys() >= MARKED[domain], "the comparison is not vacuous"
    assert known.keys() == marked.keys(), "'make messages' brings the catalog up to date"
    assert list(faults(catalog(ROOT, language, domain))) == []


@each_catalog
@each_language
def test_make_messages_compiles_the_catalog(renewed: Path, language: str, domain: str) -> None:
    """`% o` in a message is a format to msgfmt, which then checks its translation."""
    path = catalog(renewed, language, domain)
    command = ["msgfmt", "--check-format", f"--output-file={os.devnull}", str(path)]
    assert subprocess.run(command, capture_output=True, text=True).stderr == ""


@each_catalog
@each_language
def test_the_compiled_catalog_matches_its_source(language: str, domain: str) -> None:
    path = catalog(ROOT, language, domain)
    assert translations(path.with_suffix(".mo")) == translations(path)


COUNTED = (
    "announcements|bytes|cases|characters|clients|connections|deliveries|devices|events|hints|hours"
    "|machines|messages|minutes|people|processes|requests|responses|rooms|seconds|subscribers|tasks"
    "|things|workers"
)
# A number and a plural noun, with at most one adjective between them.
COUNT = re.compile(rf"(?:%\(\w+\)s|\{{[\w.]+\}})[ \u00a0](?:[a-z-]+ )?(?:{COUNTED})\b(?!/s)")
# Numbers that are never 1: limits, sizes of JSON documents, and the loads of experiments.
ABOVE_ONE = re.compile(
    "A process uses at most|Mbit/s for|A run may have at most|must have 1 to|vents of {size} bytes|"
    "bytes are read|bytes of a body|in the first {longest} bytes|in {size} bytes|of {size} bytes|"
    "An event is published. In|A second request on it|The client sends one request|"
    "`async def` view|messages to a group|sockets, {count} messages|{count} requests, {interval}|"
    "sends {sent} bytes|{workers} workers|Polling sent|of {events} events did not"
)


def uncounted(path: Path) -> Iterator[str]:
    """Yield the messages that count things, and that have no plural."""
    tool = ["msgattrib", "--no-wrap", str(path)]
    listing = subprocess.run(tool, check=True, capture_output=True, text=True).stdout
    for entry in listing.split("\n\n"):
        text = re.search(r'^msgid (".+")\nmsgstr ', entry, re.MULTILINE)
        if text and COUNT.search(text[1]) and not ABOVE_ONE.search(text[1]):
            yield unquoted(text[1])


@each_catalog
@each_language
def test_what_is_counted_has_a_plural(language: str, domain: str) -> None:
    assert list(uncounted(catalog(ROOT, language, domain))) == []


def test_a_missing_plural_is_detected(tmp_path: Path) -> None:
    path = tmp_path / "django.po"
    path.write_text(r"""
msgid ""
msgstr "Content-Type: text/plain; charset=UTF-8\nPlural-Forms: nplurals=1; plural=0;\n"
msgid "{count} clients"
msgstr "클라이언트 {count}개"
msgid "{count} lost events"
msgid_plural "{count} lost events"
msgstr[0] "잃은 이벤트 {count}개"
msgid "{ms} ms later"
msgstr "{ms}ms 뒤"
""")
    assert list(uncounted(path)) == ["{count} clients"]


def test_catalog_faults_are_detected(tmp_path: Path) -> None:
    path = tmp_path / "django.po"
    path.write_text(r"""
msgid ""
msgstr "Content-Type: text/plain; charset=UTF-8\n"
msgid "missing"
msgstr ""
#, fuzzy
msgid "guessed"
msgstr "어림"
msgid "{count} events"
msgstr "이벤트 {number}개"
msgid "lines %(first)s"
msgstr "%(last)s행"
msgid "a \"good\" {count}"
msgstr "\"좋은\" {count}"
""")
    assert len(list(faults(path))) == 4
