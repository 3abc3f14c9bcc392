"""Which texts there are to translate, and the catalogues that translate them.

`locale/<language>/LC_MESSAGES/django.po` is edited by hand; `manage.py messages` brings it up
to date with the source and makes the `.mo` that Django reads. Babel does the work, so that no
gettext tools need be installed; it is a dependency of development alone.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from io import BytesIO
from pathlib import Path

from babel.messages.catalog import Catalog, Message
from babel.messages.extract import DEFAULT_KEYWORDS, extract
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po, write_po
from django.conf import settings
from django.utils.translation.template import templatize

KEYWORDS = {**DEFAULT_KEYWORDS, "gettext_lazy": None, "gettext_noop": None}
FOLDERS = ("realtime_demo", "transports", "templates")
PLACEHOLDER = re.compile(r"%\(\w+\)s|\{[\w.]+\}")


def catalogue_path(language: str) -> Path:
    return Path(settings.BASE_DIR) / "locale" / language / "LC_MESSAGES" / "django.po"


def source_texts() -> Catalog:
    """Every text that the templates and the Python code mark for translation."""
    catalogue = Catalog(charset="utf-8")
    root = Path(settings.BASE_DIR)
    for folder in FOLDERS:
        for path in sorted((root / folder).rglob("*")):
            name = path.relative_to(root).as_posix()
            for line, text, context in _texts(path):
                catalogue.add(text, locations=[(name, line)], context=context)
    return catalogue


def _texts(path: Path) -> Iterator[tuple[int, str | tuple[str, ...], str | None]]:
    if path.suffix == ".py":
        source = path.read_bytes()
    elif path.suffix == ".html":
        # What is left of a template is words and calls: indented, they would not be Python.
        words = templatize(path.read_text())
        source = "\n".join(line.strip() for line in words.splitlines()).encode()
    else:
        return
    for line, text, _, context in extract("python", BytesIO(source), KEYWORDS):
        yield line, text, context


def read_catalogue(language: str) -> Catalog:
    path = catalogue_path(language)
    if not path.exists():
        return Catalog(language, charset="utf-8")
    with path.open("rb") as file:
        return read_po(file, language, charset="utf-8")


def updated(language: str, texts: Catalog) -> Catalog:
    """The catalogue as it has to be: every text of the source and no other, none guessed."""
    catalogue = read_catalogue(language)
    before = catalogue.creation_date
    catalogue.update(texts, no_fuzzy_matching=True)
    catalogue.obsolete.clear()
    catalogue.creation_date = before  # a date alone is no change
    return catalogue


def as_po(catalogue: Catalog) -> bytes:
    file = BytesIO()
    write_po(file, catalogue, width=100, include_lineno=False, sort_by_file=True)
    return file.getvalue()


def as_mo(catalogue: Catalog) -> bytes:
    file = BytesIO()
    write_mo(file, catalogue)
    return file.getvalue()


def faults(catalogue: Catalog) -> Iterator[str]:
    """What is wrong with the translations, one line each."""
    for message in catalogue:
        if not message.id:
            continue
        originals, translations = _forms(message.id), _forms(message.string)
        if message.fuzzy or not all(translations):
            yield f"{_where(message)}: not translated: {originals[0]!r}"
        elif any(_placeholders(text) != _placeholders(originals[-1]) for text in translations):
            yield f"{_where(message)}: other placeholders: {translations[0]!r}"


def _forms(text: str | Iterable[str] | None) -> list[str]:
    return [text or ""] if text is None or isinstance(text, str) else list(text)


def _placeholders(text: str) -> set[str]:
    return set(PLACEHOLDER.findall(text))


def _where(message: Message) -> str:
    return ", ".join(sorted({name for name, _ in message.locations}))
