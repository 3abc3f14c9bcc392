"""Measurements in the repository: a JSON file, and the part of a document made from it."""

from __future__ import annotations

import json
import re
import sys
import time
import tomllib
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

DOCS = Path(__file__).resolve().parent.parent / "docs"
MEASUREMENTS = DOCS / "measurements"
KOREAN: dict[str, str] = tomllib.loads((MEASUREMENTS / "korean.toml").read_text())


def document(module: str, machine: dict[str, Any], figures: dict[str, Any]) -> dict[str, Any]:
    """Return the figures with the command, the date and the machine."""
    return {
        "command": ["python", "-m", module, *sys.argv[1:]],
        "measured_at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "environment": machine,
        **figures,
    }


def write(path: Path, measured: dict[str, Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(measured, indent=1, ensure_ascii=False) + "\n")


def provenance(measured: dict[str, Any]) -> str:
    """Return the command, and a line with the date, the machine and the versions."""
    machine, versions = measured["environment"], measured.get("versions", {})
    packages = ", ".join(f"{name} {version}" for name, version in versions.items())
    return (
        f"```console\n$ {' '.join(measured['command'])}\n```\n\n"
        f"Measured on {measured['measured_at'][:10]} ({machine['processor']}, {machine['cores']} "
        f"cores, load average {machine['load']:.1f} at the start, {machine['system']}, Python "
        f"{machine['python']}{', ' if packages else ''}{packages}).\n"
    )


def markdown(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a table in Markdown; columns after the first are figures."""
    lines = [head, ("---", *("--:" for _ in head[1:])), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def replace_part(text: str, name: str, part: str) -> str:
    """Return `text` with `part` between the comments that mark the generated part `name`."""
    begin, end = f"<!-- made from measurements/{name}.json -->", "<!-- end -->"
    pattern = re.compile(f"{re.escape(begin)}.*?{re.escape(end)}", re.DOTALL)
    if not pattern.search(text):
        raise ValueError(f"Expected the document to contain {begin!r}")
    return pattern.sub(lambda _: f"{begin}\n{part}{end}", text)


def write_part(page: str, name: str, part: str) -> None:
    """Write the generated part `name` into `docs/<page>.md` and its Korean translation."""
    for path, translated in zip(pages(page), (part, in_korean(part)), strict=True):
        path.write_text(replace_part(path.read_text(), name, translated))


def in_korean(part: str) -> str:
    """Translate the phrases of a generated part into Korean, longer phrases first."""
    for phrase in sorted(KOREAN, key=len, reverse=True):
        part = part.replace(phrase, KOREAN[phrase])
    return part


def pages(page: str) -> tuple[Path, Path]:
    """Return the files of a page of `docs/` in English and in Korean."""
    return DOCS / f"{page}.md", DOCS / f"{page}.ko.md"


def publish(name: str, measured: dict[str, Any], part: str) -> None:
    """Write `docs/measurements/<name>.json` and its part of `docs/benchmarks.md`."""
    write(MEASUREMENTS / f"{name}.json", measured)
    write_part("benchmarks", name, part)
