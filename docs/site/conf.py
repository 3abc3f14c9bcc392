"""Sphinx's configuration; the environment variable SITE_LANGUAGE chooses the language."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

import sphinx.search
from sphinx.application import Sphinx

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from docs.site.korean import SearchKorean

sphinx.search.languages["ko"] = SearchKorean

language = os.environ["SITE_LANGUAGE"]
locale_dirs = ["locale"]  # copied beside the sources, where Sphinx compiles it
project = "Realtime Demo"
project_copyright = ""
extensions = ["myst_parser"]
myst_heading_anchors = 4
myst_enable_extensions = ["smartquotes"] if language == "en" else []
html_theme = "furo"
html_title = project
html_show_copyright = False
html_show_sphinx = False
html_copy_source = False
html_show_sourcelink = False
templates_path = [str(Path(__file__).parent / "templates")]
html_static_path = [str(Path(__file__).parent / "static")]
html_css_files = ["site.css"]
html_sidebars = {
    "**": [
        "sidebar/brand.html",
        "sidebar/search.html",
        "sidebar/language.html",
        "sidebar/scroll-start.html",
        "sidebar/navigation.html",
        "sidebar/scroll-end.html",
    ]
}


def add_language_link(
    app: Sphinx, pagename: str, templatename: str, context: dict[str, Any], doctree: object
) -> None:
    """Put the address of the page in the other language into the context."""
    up = "../" * pagename.count("/")
    prefix = f"{up}ko/" if language == "en" else f"{up}../"
    context["other_language"] = f"{prefix}{pagename}.html"


def setup(app: Sphinx) -> None:
    app.connect("html-page-context", add_language_link)
