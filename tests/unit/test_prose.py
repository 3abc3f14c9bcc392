"""The prose checker: its patterns, and the text that it skips."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.tools import prose

BAD = [
    "A caller who is anonymous may enter.",
    "Who tries again sends a key.",
    "Whoever connects, and nobody else.",
    "The cursor is none.",
    "The connection is no more.",
    "The request is given up, and the room gives way.",
    "The event is kept no longer.",
    "The subscriber is told.",
    "The layer drops messages without a word.",
    "The server says 401, and a process looks away.",
    "Nor is a name enough.",
    "A refusal: the server refuses it.",
    "The asker waits.",
    "What was heard and played.",
    "A volley of requests.",
    "A glance at the figures.",
    "A sign of life.",
    "Three transits.",
    "The longest\nhold.",
    "A whole number of events.",
    "The cursor is a text.",
    "It is a flag.",
    "Nothing is doubled or reordered.",
    "The mirror of a request.",
    "The situation on the page.",
    "The demo's stage.",
    "Events on a beat.",
    "The anatomy of a frame.",
]


def problems_of(tmp_path: Path, name: str, source: str) -> list[tuple[int, str, str]]:
    path = tmp_path / name
    path.write_text(source)
    return list(prose.problems(path))


@pytest.mark.parametrize("sentence", BAD)
def test_a_bad_sentence_is_reported(tmp_path: Path, sentence: str) -> None:
    assert problems_of(tmp_path, "page.md", sentence)
    assert problems_of(tmp_path, "module.py", f'"""A module.\n\n{sentence}\n"""\n')
    assert problems_of(tmp_path, "module.js", f"/* {sentence} */")


def test_every_pattern_has_a_bad_sentence() -> None:
    missing = [pattern.pattern for pattern in prose.PATTERNS if not any(map(pattern.search, BAD))]
    assert missing == []


@pytest.mark.parametrize("docstring", ["Who may enter?", "What a reader sees.", "Is it flat?"])
def test_a_module_docstring_is_a_noun_phrase(tmp_path: Path, docstring: str) -> None:
    assert (1, "a noun phrase") in {
        (line, plain)
        for line, _, plain in problems_of(tmp_path, "module.py", f'"""{docstring}"""\n')
    }


@pytest.mark.parametrize(
    ("name", "source"),
    [
        ("page.md", 'The event was refused, `the stage` and “the stage” and "the stage".'),
        ("page.md", "A page.\n\n```\nthe stage\n```\n\n    the stage\n\nIt was\nrefused."),
        ("page.md", "<!-- made from a.json -->\nthe stage\n<!-- end -->\nIt was refused."),
        ("module.py", 'stage = "the stage"\n\n\ndef f() -> None:\n    """It was refused."""\n'),
        ("module.py", 'mirror = "a # mirror"  # It was refused.\n'),
        ("module.js", 'const stage = "// the stage"; // It was refused.\n'),
        ("nginx.conf", "stage on;  # It was refused.\n"),
    ],
)
def test_only_prose_is_checked(tmp_path: Path, name: str, source: str) -> None:
    line = source[: source.index("refused")].count("\n") + 1
    assert problems_of(tmp_path, name, source) == [(line, "refused", "reject, problem")]


def test_the_command_fails_on_a_problem(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(prose, "CHECKED", ("tests/tools/prose.py",))
    assert prose.main([]) == 0
    monkeypatch.setattr(prose, "problems", lambda path: iter([(3, "asker", "HTTP client")]))
    assert prose.main([]) == 1
    assert capsys.readouterr().out == "tests/tools/prose.py:3: 'asker': HTTP client\n"
