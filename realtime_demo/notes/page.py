"""`docs/notes.md` and its Korean translation, made from the claims and a recorded run."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.utils.translation import gettext, override
from django.utils.translation import gettext_noop as _

from .claims import CLAIMS, TESTS, Claim, Verdict
from .laboratory import Sentence

LANGUAGES = {"en": "notes.md", "ko": "notes.ko.md"}
NAMES = {"en": "English", "ko": "한국어"}
COMMAND = {
    "en": ".venv/bin/python manage.py notes",
    "ko": ".venv/bin/python manage.py notes --language ko",
}
RECORD = "measurements/notes.json"

TITLE = _("The notes, checked")
VERDICTS, VERDICT = _("Verdicts"), _("Verdict")
CLAIM = _("Claim {number}")
FURTHER_TESTS, SOURCES = _("Further tests"), _("Sources")
INTRODUCTION = _(
    "This project grew from a student's notes on real-time web protocols. This page "
    "checks the claims of the notes in order: what each claim says, whether it holds with "
    "today's versions, an experiment that shows it on your machine in less than a minute, "
    "and the test of the verdict."
)
RUN = _(
    "The command runs all experiments, or only those whose numbers it is given. It starts "
    "its own servers, Redis and nginx on free ports, and stops them."
)
RECORDED = _(
    "The outputs below are those of {date}, with {versions}, on {machine} (`manage.py notes "
    "--write docs` renews this page). The times differ on other machines."
)
EVIDENCE = _(
    "[`test_a_verdict_is_observed`]({file}) runs each experiment and fails if it contradicts the "
    "verdict."
)


def verdict(claim: Claim) -> str:
    """Return the claim's verdict in the active language."""
    label = gettext(claim.verdict.value)
    if claim.verdict is Verdict.CONDITIONAL:
        return label.format(condition=gettext(claim.condition))
    return label


def translated(text: str, language: str) -> str:
    with override(language):
        return gettext(text)


def evidence(claim: Claim) -> list[tuple[str, str]]:
    """Return the file and the name of each test of the verdict."""
    named = ("test_a_verdict_is_observed", *claim.tests)
    return [(file or TESTS, test) for file, _sep, test in (name.rpartition("::") for name in named)]


def page(language: str, record: Mapping[str, Any]) -> str:
    """Return the Markdown page in `language`; `record` is what `manage.py notes` has saved."""
    with override(language):
        return "\n".join(_lines(language, record))


def _lines(language: str, record: Mapping[str, Any]) -> list[str]:
    (sister,) = LANGUAGES.keys() - {language}
    lines = [
        f"# {gettext(TITLE)}",
        "",
        f"[{NAMES[sister]}]({LANGUAGES[sister]})",
        "",
        gettext(INTRODUCTION),
        "",
        "```console",
        f"$ {COMMAND[language]}",
        "```",
        "",
        gettext(RUN),
        "",
        gettext(RECORDED).format(**record["run"]),
        "",
        gettext(EVIDENCE).format(file=f"../{TESTS}"),
        "",
        f"## {gettext(VERDICTS)}",
        "",
        f"| | {NAMES['en']} | {NAMES['ko']} | {gettext(VERDICT)} |",
        "|---|---|---|---|",
    ]
    for claim in CLAIMS:
        both = " | ".join(translated(claim.text, each) for each in LANGUAGES)
        lines.append(f"| {claim.number} | {both} | {verdict(claim)} |")
    for claim in CLAIMS:
        lines += ["", *_section(language, claim, record["observations"][str(claim.number)])]
    return [*lines, ""]


def _section(language: str, claim: Claim, saved: list[Any]) -> list[str]:
    output = [str(Sentence(text, values)) for text, values in saved]
    sources = " · ".join(f"<{link}>" for link in claim.links)
    more = " · ".join(f"[`{test}`](../{file})" for file, test in evidence(claim)[1:])
    return [
        f"## {gettext(CLAIM).format(number=claim.number)}",
        "",
        f"{gettext(claim.text)} **{verdict(claim)}**",
        "",
        gettext(claim.finding),
        "",
        "```console",
        f"$ {COMMAND[language]} {claim.number}",
        *output,
        "```",
        *(["", f"{gettext(FURTHER_TESTS)}: {more}"] if more else []),
        *(["", f"{gettext(SOURCES)}: {sources}"] if sources else []),
    ]
