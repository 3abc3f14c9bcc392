"""Excerpts of the project's own source code, highlighted."""

from __future__ import annotations

import inspect
import re
from dataclasses import dataclass
from functools import cached_property
from importlib import import_module
from operator import attrgetter
from pathlib import Path
from textwrap import dedent

from django.conf import settings
from django.utils.safestring import SafeString, mark_safe
from pygments import highlight
from pygments.formatters import HtmlFormatter
from pygments.lexers import get_lexer_for_filename


@dataclass(frozen=True)
class Excerpt:
    """The lines of `symbol` in the file `path`, relative to the project's root.

    `symbol` is a top-level class or function, or `Class.method`; empty: the whole file. Reading
    the lines raises `LookupError` if the file has no such symbol.
    """

    path: str
    symbol: str = ""

    @cached_property
    def lines(self) -> tuple[int, int]:
        """Line numbers of the first and the last line, from 1."""
        source = self._source
        if not self.symbol:
            return 1, len(source.splitlines())
        if self.path.endswith(".py"):
            lines = _find_python(self.path, self.symbol)
        else:
            lines = _find_javascript(source, self.symbol)
        if lines is None:
            raise LookupError(f"{self.path} has no symbol {self.symbol}")
        return lines

    @cached_property
    def text(self) -> str:
        first, last = self.lines
        return dedent("\n".join(self._source.splitlines()[first - 1 : last]) + "\n")

    @cached_property
    def html(self) -> SafeString:
        """HTML with Pygments' CSS classes (code.css): the security policy forbids inline styles."""
        lexer, formatter = get_lexer_for_filename(self.path), HtmlFormatter(nowrap=True)
        # Safe: Pygments escapes the source code.
        return mark_safe(str(highlight(self.text, lexer, formatter)))

    @cached_property
    def _source(self) -> str:
        return (Path(settings.BASE_DIR) / self.path).read_text()


def _find_python(path: str, symbol: str) -> tuple[int, int] | None:
    module = import_module(path.removesuffix(".py").replace("/", "."))
    try:
        lines, first = inspect.getsourcelines(attrgetter(symbol)(module))
    except AttributeError:
        return None
    return first, first + len(lines) - 1


def _find_javascript(source: str, symbol: str) -> tuple[int, int] | None:
    """Find an exported class or function, from its comment to the first brace at a line's start."""
    pattern = (
        rf"(?:^/\*\*(?:(?!\*/).)*\*/\n)?^export (?:async )?(?:class|function)\*? {symbol}\b.*?^\}}"
    )
    match = re.search(pattern, source, re.MULTILINE | re.DOTALL)
    if match is None:
        return None
    first = source.count("\n", 0, match.start()) + 1
    return first, first + match[0].count("\n")
