"""The order of the site's pages, by the four kinds of documentation (diataxis.fr)."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Section:
    """A part of the navigation: its caption in each language, and its pages.

    A page is the path of its English source without `.md`; `*` stands for all names of a folder.
    """

    captions: dict[str, str]
    pages: tuple[str, ...]


HOME = "README"
# Made from the code by `reference.py`.
GENERATED = (
    "docs/settings",
    "docs/commands",
    "docs/schemas",
)
SECTIONS = (
    Section(
        {"en": "Tutorial", "ko": "배우기"},
        ("docs/classroom", "docs/workshop/*", "docs/school-network", "docs/windows"),
    ),
    Section(
        {"en": "How to", "ko": "따라 하기"},
        (
            "docs/demo",
            "docs/publishing",
            "docs/package",
            "examples/orders/README",
            "docs/deployment",
            "docs/platforms",
            "docs/access",
            "docs/worker",
            "CONTRIBUTING",
        ),
    ),
    Section(
        {"en": "Reference", "ko": "레퍼런스"},
        (
            "docs/contract",
            *GENERATED,
            "polling/README",
            "longpoll/README",
            "streaming/README",
            "websocket/README",
            "docs/servers",
            "docs/conformance",
            "conformance/clients/README",
            "SECURITY",
        ),
    ),
    Section(
        {"en": "Explanation", "ko": "이해하기"},
        (
            "docs/notes",
            "docs/theory",
            "ARCHITECTURE",
            "docs/comparison",
            "docs/benchmarks",
            "docs/faults",
        ),
    ),
)
