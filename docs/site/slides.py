"""Slides of the workshop's chapters: one HTML page for each, beside the chapter on the site."""

from __future__ import annotations

import html
import re
from pathlib import Path

from markdown_it import MarkdownIt

from .reference import translated
from .sources import FENCE, LINK, Language, all_pages, name_on_site, source_of

# The line of links below a chapter's title.
NAVIGATION = re.compile(r"^\[(?:English|한국어)\]\(.*\n\n", re.MULTILINE)
CHAPTER, KEYS = "The chapter", "The arrow keys change the slide."
PAGE = """<!doctype html>
<html lang="{language}">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<link rel="stylesheet" href="../_static/slides.css">
<script src="../_static/slides.js" defer></script>
</head>
<body>
{slides}
</body>
</html>
"""


def chapters() -> list[str]:
    """Return the chapters, which are the pages of the workshop that have code to write."""
    return [
        page
        for page in all_pages()
        if page.startswith("docs/workshop/") and "```python" in source_of(page, "en").read_text()
    ]


def name_of_slides(page: str) -> str:
    """Return the file name of a chapter's slides, which are in the chapter's folder."""
    return f"{Path(name_on_site(page)).name}-slides.html"


def slides_of(page: str, language: Language) -> str:
    """Return the slides of a chapter: one for its title and questions, one for each section."""
    text = NAVIGATION.sub("", source_of(page, language).read_text(), count=1)
    # Keep only links to the running demo: slides are not for further reading.
    text = "".join(
        part if part.startswith("```") else LINK.sub(_link, part) for part in FENCE.split(text)
    )
    title, *sections = re.split(r"^## ", text, flags=re.MULTILINE)
    name = Path(name_on_site(page)).name
    chapter, keys = (translated(text, language) for text in (CHAPTER, KEYS))
    title += f"\n[{chapter}]({name}.html) · {keys}\n"
    parts = [title, *(f"## {section}" for section in sections)]
    markdown = MarkdownIt("commonmark").enable("table")
    return PAGE.format(
        language=language,
        title=html.escape(title.partition("\n")[0].removeprefix("# ")),
        slides="\n".join(f"<section>\n{markdown.render(part)}</section>" for part in parts),
    )


def _link(match: re.Match[str]) -> str:
    return match[0] if "127.0.0.1" in match[3] else match[2]


def write_slides(language: Language, site: Path) -> None:
    """Write the slides of all chapters into the built site."""
    for page in chapters():
        folder = (site / name_on_site(page)).parent
        (folder / name_of_slides(page)).write_text(slides_of(page, language))
