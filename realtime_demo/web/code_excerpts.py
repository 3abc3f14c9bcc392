"""Excerpts of the project's own source code, highlighted."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from textwrap import dedent

from django.conf import settings
from django.utils.safestring import SafeString, mark_safe
from pygments import highlight
from pygments.formatters import HtmlFormatter
from pygments.lexers import get_lexer_for_filename

Definition = ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True)
class Excerpt:
    """The lines of `symbol` in the file `path`, which is relative to the project's root.

    `symbol` is a class or function of the module's top level, or `Class.method`; empty: all of
    the file. Reading it raises `LookupError` if the file has no such symbol.
    """

    path: str
    symbol: str = ""

    @cached_property
    def lines(self) -> tuple[int, int]:
        """Numbers of the first and the last line, from 1."""
        source = self._source
        if not self.symbol:
            return 1, len(source.splitlines())
        found = _find_python if self.path.endswith(".py") else _find_javascript
        lines = found(source, self.symbol)
        if lines is None:
            raise LookupError(f"{self.path} has no {self.symbol}")
        return lines

    @cached_property
    def text(self) -> str:
        first, last = self.lines
        return dedent("\n".join(self._source.splitlines()[first - 1 : last]) + "\n")

    @cached_property
    def html(self) -> SafeString:
        """With Pygments' short CSS classes (code.css): the page's policy forbids inline style."""
        lexer, formatter = get_lexer_for_filename(self.path), HtmlFormatter(nowrap=True)
        # Pygments escapes what it did not write itself.
        return mark_safe(str(highlight(self.text, lexer, formatter)))

    @cached_property
    def _source(self) -> str:
        return (Path(settings.BASE_DIR) / self.path).read_text()


def _find_python(source: str, symbol: str) -> tuple[int, int] | None:
    node: ast.AST | None = ast.parse(source)
    for name in symbol.split("."):
        node = next((each for each in _definitions(node) if each.name == name), None)
        if node is None:
            return None
    assert isinstance(node, ast.stmt)
    return node.lineno, node.end_lineno or node.lineno


def _definitions(node: ast.AST | None) -> Iterator[Definition]:
    return (each for each in getattr(node, "body", ()) if isinstance(each, Definition))


def _find_javascript(source: str, symbol: str) -> tuple[int, int] | None:
    """An exported class or function, from its comment to the brace that stands first in a line."""
    pattern = (
        rf"(?:^/\*\*(?:(?!\*/).)*\*/\n)?^export (?:async )?(?:class|function)\*? {symbol}\b.*?^\}}"
    )
    found = re.search(pattern, source, re.MULTILINE | re.DOTALL)
    if found is None:
        return None
    first = source.count("\n", 0, found.start()) + 1
    return first, first + found[0].count("\n")
