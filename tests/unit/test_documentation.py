"""Links, paths and commands in the documentation."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest
from django.core.management import get_commands

from tests.support.program import ROOT

FILES = subprocess.run(
    ["git", "ls-files"], cwd=ROOT, check=True, capture_output=True, text=True
).stdout.splitlines()
PAGES = [ROOT / name for name in FILES if name.endswith(".md")]
GENERATED = ("build/", "docs/measurements/", "exercises/")

every_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))


def anchors(page: Path) -> list[str]:
    """Return the anchors of a page's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.*)$", page.read_text(), re.MULTILINE)
    return [re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings]


@every_page
def test_links_have_targets(page: Path) -> None:
    for link in re.findall(r"\]\(([^)\s]+)\)", page.read_text()):
        if link.startswith(("https://", "http://")):
            continue
        path, _, anchor = link.partition("#")
        target = page.parent / path if path else page
        assert target.exists(), link
        assert not anchor or anchor in anchors(target), link


@every_page
def test_named_files_exist(page: Path) -> None:
    names = re.findall(
        r"`([\w./@-]+/[\w.@-]*\.(?:py|js|md|json|conf|yaml|html|svg))`", page.read_text()
    )
    for name in names:
        if not name.startswith((*GENERATED, "/")):
            assert any(f"/{file}".endswith(f"/{name}") for file in FILES), name


@every_page
def test_named_commands_exist(page: Path) -> None:
    targets = re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
    text = "\n".join(re.findall(r"^```console.*?^```|`[^`\n]+`", page.read_text(), re.M | re.S))
    for name in re.findall(r"(?:^\$ |`|&& )(?:[A-Z_]+=\S+ )*make ([a-z-]+)", text, re.MULTILINE):
        assert name in targets, f"make {name}"
    for name in re.findall(r"manage\.py ([a-z_]+)", text):
        assert name in get_commands(), f"manage.py {name}"


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


@pytest.mark.parametrize("name", TRANSLATED)
def test_a_translation_has_the_same_parts(name: str) -> None:
    assert outline(ROOT / f"{name}.ko.md") == outline(ROOT / f"{name}.md")


@pytest.mark.parametrize("name", ["README.md", "README.ko.md"])
def test_the_readme_shows_the_lines_of_the_example(name: str) -> None:
    """Each block of examples/orders from the lines to add on; the browser's test runs these."""
    block = re.compile(r"^```(?:python|py|html|diff)\n(.*?)^```$", re.M | re.S)
    _, added = (ROOT / "examples/orders/README.md").read_text().split("## What to add\n")
    blocks = block.findall(added)
    assert len(blocks) == 10
    assert set(blocks) <= set(block.findall((ROOT / name).read_text()))
    korean = (ROOT / "examples/orders/README.ko.md").read_text()
    assert block.findall(korean.split("## 더할 것\n")[1]) == blocks
