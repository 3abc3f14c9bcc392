"""The sources of a language's site, copied from the repository with their links changed."""

from __future__ import annotations

import math
import os
import re
import shutil
from pathlib import Path
from typing import Literal

from .navigation import HOME, SECTIONS, Section
from .reference import PAGES, ROOT

Language = Literal["en", "ko"]
LANGUAGES: tuple[Language, ...] = ("en", "ko")
FILES = "source"  # folder of the site for linked files that are not pages
LINK = re.compile(r"(!?)\[((?:[^\[\]]|\[[^\]]*\])*)\]\(([^)\s]+)\)")
FENCE = re.compile(r"(^```.*?^```$)", re.MULTILINE | re.DOTALL)
# A page's link to its other language, which the site has beside each page.
SISTER = re.compile(r"^\[(?:English|한국어)\]\([\w.-]+\.md\)(?:\n\n| · )", re.MULTILINE)


def pages_of(section: Section) -> list[str]:
    """Return the section's pages; for `*`, those of the folder in the order of its README."""
    pages: list[str] = []
    for pattern in section.pages:
        if pattern.endswith("*"):
            paths = [path for path in ROOT.glob(f"{pattern}.md") if not path.match("*.ko.md")]
            paths.sort(key=_position)
            pages += [str(path.relative_to(ROOT).with_suffix("")) for path in paths]
        else:
            pages.append(pattern)
    return pages


def _position(path: Path) -> tuple[float, str]:
    """Return the position of a page's first link in its folder's README, which comes first."""
    readme = path.with_name("README.md")
    if path == readme:
        return -1, ""
    position = readme.read_text().find(f"({path.name})") if readme.exists() else -1
    return (position if position >= 0 else math.inf), path.name


def all_pages() -> list[str]:
    return [HOME, *(page for section in SECTIONS for page in pages_of(section))]


def name_on_site(page: str) -> str:
    """Return the address of a page without its suffix."""
    if page == HOME:
        return "index"
    if page.startswith("docs/"):
        return page.removeprefix("docs/")
    return page.removesuffix("/README").lower()


def source_of(page: str, language: Language) -> Path:
    """Return the file of a page in the language."""
    return ROOT / (f"{page}.ko.md" if language == "ko" else f"{page}.md")


def write_sources(language: Language, folder: Path) -> None:
    """Write all sources of a site into `folder`. Raises `ValueError` for a broken link."""
    for page in all_pages():
        if page in PAGES:
            text = PAGES[page](language)
        else:
            text = SISTER.sub("", source_of(page, language).read_text(), count=1)
            text = change_links(text, page, folder)
        if page == HOME:
            text += toctrees(language)
        target = folder / f"{name_on_site(page)}.md"
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text)


def toctrees(language: Language) -> str:
    """Return the navigation, as MyST's directives."""
    parts = []
    for section in SECTIONS:
        names = "\n".join(name_on_site(page) for page in pages_of(section))
        caption = section.captions[language]
        parts.append(f"\n```{{toctree}}\n:hidden:\n:caption: {caption}\n\n{names}\n```\n")
    return "".join(parts)


def change_links(text: str, page: str, folder: Path) -> str:
    """Return the text with links as they are on the site; copy the files that it links to."""
    here = Path(name_on_site(page)).parent
    known = set(all_pages())

    def changed(match: re.Match[str]) -> str:
        image, label, link = match.groups()
        if "://" in link or link.startswith(("#", "mailto:")):
            return match[0]
        path, mark, anchor = link.partition("#")
        target = (ROOT / page).parent.joinpath(path).resolve()
        if not target.exists():
            raise ValueError(f"{page}.md links to {link}, which does not exist.")
        name = str(target.relative_to(ROOT))
        linked = re.sub(r"(?:\.ko)?\.md$", "", name)
        if f"{name}/README" in known:
            linked = f"{name}/README"
        if linked in known:
            address = os.path.relpath(f"{name_on_site(linked)}.md", here)
            return f"{image}[{label}]({address}{mark}{anchor})"
        if target.is_dir():
            return label
        copy = folder / FILES / name
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(target, copy)
        return f"{image}[{label}]({os.path.relpath(f'{FILES}/{name}', here)})"

    parts = FENCE.split(text)
    return "".join(part if part.startswith("```") else LINK.sub(changed, part) for part in parts)
