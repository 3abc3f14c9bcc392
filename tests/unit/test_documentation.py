"""Links, paths and commands in the documentation."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from django.core.management import get_commands

from tests.support.program import ROOT

FILES = subprocess.run(
    ["git", "ls-files"], cwd=ROOT, check=True, capture_output=True, text=True
).stdout.splitlines()
PAGES = [ROOT / name for name in FILES if name.endswith(".md")]
GENERATED = ("build/", "docs/measurements/", "exercises/")


def anchors(page: Path) -> list[str]:
    """Return the anchors of a page's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.*)$", page.read_text(), re.MULTILINE)
    return [re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings]


def broken_links(page: Path) -> Iterator[str]:
    for link in re.findall(r"\]\(([^)\s]+)\)", page.read_text()):
        if link.startswith(("https://", "http://")):
            continue
        path, _, anchor = link.partition("#")
        target = page.parent / path if path else page
        if not target.exists() or (anchor and anchor not in anchors(target)):
            yield f"{page}: {link}"


def missing_files(page: Path) -> Iterator[str]:
    names = re.findall(
        r"`([\w./@-]+/[\w.@-]*\.(?:py|js|md|json|conf|yaml|html|svg))`", page.read_text()
    )
    for name in names:
        is_foreign = name.startswith((*GENERATED, "/"))
        if not is_foreign and not any(f"/{file}".endswith(f"/{name}") for file in FILES):
            yield f"{page}: {name}"


def unknown_commands(page: Path) -> Iterator[str]:
    targets = re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
    text = "\n".join(re.findall(r"^```console.*?^```|`[^`\n]+`", page.read_text(), re.M | re.S))
    for name in re.findall(r"(?:^\$ |`|&& )(?:[A-Z_]+=\S+ )*make ([a-z-]+)", text, re.MULTILINE):
        if name not in targets:
            yield f"{page}: make {name}"
    for name in re.findall(r"manage\.py ([a-z_]+)", text):
        if name not in get_commands():
            yield f"{page}: manage.py {name}"


@pytest.mark.parametrize("faults", [broken_links, missing_files, unknown_commands])
def test_what_a_page_names_exists(faults: Callable[[Path], Iterator[str]]) -> None:
    assert [fault for page in PAGES for fault in faults(page)] == []


def outline(page: Path) -> list[str]:
    """Return the levels of a page's headings, its table rows, commands and links, in order.

    A link to a heading has its position, since the headings are translated.
    """

    def position(link: re.Match[str]) -> str:
        target = page.parent / link[1] if link[1] else page
        return f"]({link[1]}#{anchors(target).index(link[2])})"

    text = re.sub(r"\]\(((?!https?:)[^)#]*)#([^)]+)\)", position, page.read_text())
    text = re.sub(r"\.ko(?=\.md)|-ko(?=\.png)|[?&]lang=ko| --language ko", "", text)
    parts = re.findall(r"^#+(?= )|^\|(?= )|^- |^\d\. |^\$ (?:(?!  ).)*|\]\([^)]*\)", text, re.M)
    return [part.strip() for part in parts]


TRANSLATED = [name.removesuffix(".ko.md") for name in FILES if name.endswith(".ko.md")]


def test_a_translation_has_the_same_parts() -> None:
    for name in TRANSLATED:
        assert outline(ROOT / f"{name}.ko.md") == outline(ROOT / f"{name}.md"), name


@pytest.mark.parametrize("name", ["README.md", "README.ko.md"])
def test_the_readme_shows_the_lines_of_the_example(name: str) -> None:
    """Each block of examples/orders from the lines to add on; the browser's test runs these."""
    block = re.compile(r"^```(?:python|py|html|diff)\n(.*?)^```$", re.M | re.S)
    _, added = (ROOT / "examples/orders/README.md").read_text().split("## What to add\n")
    blocks = block.findall(added)
    assert len(blocks) == 10
    assert set(blocks) <= set(block.findall((ROOT / name).read_text()))
