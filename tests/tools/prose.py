"""A check of the prose in Markdown, docstrings and comments.

Words in backticks or double quotes, code blocks and generated parts are not checked.
"""

from __future__ import annotations

import ast
import io
import re
import subprocess
import sys
import tokenize
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
CHECKED = ("*.md", "*.py", "*.js", "Makefile", ".ci/*", "deploy/*")

PHRASES = {
    r"who (?:is|has|was|does)|(?-i:Who)(?= [^?]{1,90}\.)": "the subject: client, user, process, …",
    r"whoever|(?:no|some|any)body": "client, caller, anonymous user, subscriber, process, …",
    r"(?:is|are|was|were) (?-i:none)": "is invalid, missing",
    r"(?:is|are|was|were) no more": "has ended, is gone",
    r"(?:given|gives?|gave|giving) (?:up|way)|kept no longer": "timed out, evicted, expired",
    r"(?:is|are|was|were|been) told": "receives",
    r"without a word|in silence": "silently, without notice",
    r"(?:server|client|process|worker|program|browser|socket|connection)(?:e?s)? "
    r"(?:sa(?:ys?|id)|hears?|believes?|owes?|remembers?|looks?)": "sends, receives, assumes",
    r"nor (?:is|are|was|do|does|did|has|have|can|may)": "no inversion: subject first",
    r"refus(?:als?|es?|ed|ing)": "reject, problem",
    r"askers?": "HTTP client",
    r"heard|played": "observed, simulated",
    r"volleys?": "probe",
    r"glances?": "summary",
    r"signs? of life": "heartbeat",
    r"transits?": "one-way delay",
    r"(?:an?|the|each|its|whole|full|longest|long) hold": "poll timeout",
    r"whole numbers?": "integer",
    r"a text(?! (?:file|frame|message))": "string",
    r"a flag": "boolean",
    r"doubled|(?:re|dis)ordered": "duplicated, out of order",
    r"exposition|mirrors?": "metrics, echo",
    r"situations?": "scenario",
    r"stages?": "demo control",
    r"beats?": "interval, generator",
    r"anatomy|audience|flatness|strikes": "dissect, clients, trend, faults",
}
PATTERNS = {
    re.compile(rf"\b(?:{phrase})(?!\w)".replace(" ", r"\s+"), re.IGNORECASE): plain
    for phrase, plain in PHRASES.items()
}
QUESTION = re.compile(r"(?:what|how|who|whom|whose|whether|why|where|when)\b|.*\?$", re.I | re.M)
SKIPPED = re.compile(
    r"^```.*?^```|^ {4}[^\n]*|``?[^`\n]+\n?[^`\n]*``?|“[^”]*”|\"[^\"\n]*\""
    r"|<!-- made from.*?<!-- end -->|\]\([^)]*\)|https?://\S+",
    re.MULTILINE | re.DOTALL,
)
JAVASCRIPT = re.compile(
    r"""(?P<comment>//[^\n]*|/\*.*?\*/)|"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*'|`(?:\\.|[^`\\])*`""",
    re.DOTALL,
)


def python_prose(source: str) -> str:
    """Return the docstrings and comments of `source`, each on its line."""
    lines = source.splitlines()
    prose = [""] * len(lines)
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.COMMENT:
            prose[token.start[0] - 1] = token.string.lstrip("#")
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.Expr(ast.Constant(str())):
                for index in range(node.lineno - 1, node.end_lineno or 0):
                    prose[index] = lines[index].strip().strip('"')
    return "\n".join(prose)


def javascript_prose(source: str) -> str:
    """Return the comments of `source`, each on its line."""
    prose = [""] * (source.count("\n") + 1)
    for match in JAVASCRIPT.finditer(source):
        first = source.count("\n", 0, match.start())
        for index, line in enumerate((match["comment"] or "").split("\n"), first):
            prose[index] += line.strip().lstrip("/* ")
    return "\n".join(prose)


def problems(path: Path) -> Iterator[tuple[int, str, str]]:
    """Yield the line, the phrase and what to write instead."""
    source = path.read_text()
    if path.suffix == ".py":
        docstring = ast.get_docstring(ast.parse(source)) or ""
        if question := QUESTION.match(docstring):
            yield 1, question[0], "a noun phrase"
        source = python_prose(source)
    elif path.suffix == ".js":
        source = javascript_prose(source)
    elif path.suffix != ".md":
        source = "\n".join(line.partition("#")[2] for line in source.split("\n"))
    prose = SKIPPED.sub(lambda skipped: re.sub(r"\S", "`", skipped[0]), source)
    for pattern, plain in PATTERNS.items():
        for match in pattern.finditer(prose):
            yield prose.count("\n", 0, match.start()) + 1, " ".join(match[0].split()), plain


def main(arguments: list[str]) -> int:
    listing = ["git", "ls-files", "--", *(arguments or CHECKED)]
    files = subprocess.run(listing, cwd=ROOT, check=True, capture_output=True, text=True).stdout
    count = 0
    for name in files.splitlines():
        for line, phrase, plain in sorted(problems(ROOT / name)):
            count += 1
            print(f"{name}:{line}: {phrase!r}: {plain}")
    return int(count > 0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
