"""Links, paths and commands in the documentation."""

from __future__ import annotations

import argparse
import re
import shlex
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from django.core.management import CommandError, get_commands, load_command_class

from benchmarks import cli as benchmarks
from conformance import cli as conformance
from faults import cli as faults
from faults import soak
from tests.support.program import ROOT, run_python, tracked_files

FILES = tracked_files()
PAGES = [ROOT / name for name in FILES if name.endswith(".md")]
GENERATED = ("build/", "docs/measurements/", "exercises/")


def anchors(page: Path) -> list[str]:
    """Return the anchors of a page's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.*)$", page.read_text(), re.MULTILINE)
    return [re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings]


def broken_links(page: Path) -> Iterator[str]:
    for link in re.findall(r"\]\(([^)\s]+)\)", page.read_text()):
        if link.startswith(("https://", "http://")):
            continue
        path, _, anchor = link.partition("#")
        target = page.parent / path if path else page
        if not target.exists() or (anchor and anchor not in anchors(target)):
            yield f"{page}: {link}"


def missing_files(page: Path) -> Iterator[str]:
    names = re.findall(
        r"`([\w./@-]+/[\w.@-]*\.(?:py|js|md|json|conf|yaml|html|svg))`", page.read_text()
    )
    for name in names:
        is_foreign = name.startswith((*GENERATED, "/"))
        if not is_foreign and not any(f"/{file}".endswith(f"/{name}") for file in FILES):
            yield f"{page}: {name}"


def unknown_commands(page: Path) -> Iterator[str]:
    targets = re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
    text = "\n".join(re.findall(r"^```console.*?^```|`[^`\n]+`", page.read_text(), re.M | re.S))
    for name in re.findall(r"(?:^\$ |`|&& )(?:[A-Z_]+=\S+ )*make ([a-z-]+)", text, re.MULTILINE):
        if name not in targets:
            yield f"{page}: make {name}"
    for name in re.findall(r"manage\.py ([a-z_]+)", text):
        if name not in get_commands():
            yield f"{page}: manage.py {name}"


# The management command or tool of each target of the Makefile, and the argument of each variable.
TARGETS = {
    **{name: name for name in ("advise", "compare", "conform", "demo", "doctor", "production")},
    "bench": "benchmarks",
    "faults": "faults",
    "soak": "faults.soak",
}
VARIABLES = {"PORT": "--port={}", "HTTPS_PORT": "--port={}", "PROFILE": "--profile={}", "URL": "{}"}
TOOLS = {
    "benchmarks": benchmarks.parser,
    "conformance": conformance.parser,
    "faults": faults.parser,
    "faults.soak": soak.parser,
}


def parser_of(name: str) -> argparse.ArgumentParser:
    if name in TOOLS:
        return TOOLS[name]()
    return load_command_class(get_commands()[name], name).create_parser("manage.py", name)


def commands_of(page: Path) -> Iterator[tuple[str, list[str]]]:
    """Yield the name and the arguments of each documented command with a parser of ours."""
    text = page.read_text().replace("\\\n", " ")
    blocks = re.findall(r"^```console\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    lines = re.findall(r"^[$#] (.*)$", "\n".join(blocks), re.MULTILINE)
    for line in lines:
        for part in re.split(r"&&|;|\|", line.partition("  #")[0]):
            command = re.search(r"(?:manage\.py|realtime-demo|python -m) ([a-z.]+)\b(.*)", part)
            target = re.search(r"\bmake ([a-z]+)\b(.*)", part)
            if command and (command[1] in TOOLS or command[1] in get_commands()):
                yield command[1], shlex.split(command[2])
            elif target and target[1] in TARGETS:
                yield TARGETS[target[1]], arguments_of(target[2])


def arguments_of(variables: str) -> list[str]:
    """Return the arguments that `make` gives a command for variables such as `PORT=80`."""
    arguments: list[str] = []
    for word in shlex.split(variables):
        variable, _, value = word.partition("=")
        if variable == "ARGS":
            arguments += shlex.split(value)
        else:
            arguments.append(VARIABLES[variable].format(value))
    return arguments


def invalid_arguments(page: Path) -> Iterator[str]:
    for command, arguments in commands_of(page):
        try:
            parser_of(command).parse_args(arguments)
        except (SystemExit, CommandError) as error:
            yield f"{page}: {command} {shlex.join(arguments)}: {error}"


@pytest.mark.parametrize(
    "faults", [broken_links, missing_files, unknown_commands, invalid_arguments]
)
def test_what_a_page_names_exists(faults: Callable[[Path], Iterator[str]]) -> None:
    assert [fault for page in PAGES for fault in faults(page)] == []


def options_by_module() -> dict[str, set[str]]:
    """Return the options with which the pages and the Makefile run each module of the project."""
    options: dict[str, set[str]] = {}
    text = "\n".join(path.read_text() for path in [ROOT / "Makefile", *PAGES])
    for name, arguments in re.findall(r"python -m ([a-z_.]*[a-z_])([^`\n]*)", text):
        if (ROOT / name.partition(".")[0]).is_dir():
            options.setdefault(name, set()).update(re.findall(r" (--[a-z-]+)", arguments))
    return options


MODULES = options_by_module()


def test_documented_commands_are_found() -> None:
    names = {name for page in PAGES for name, _ in commands_of(page)}
    assert names >= {"advise", "compare", "demo", "doctor", "exercise", "notes", "token", *TOOLS}
    assert MODULES.keys() >= {"faults.soak", "tests.server", "tests.tools.frames"}
    assert MODULES["benchmarks"] >= {"--publish"}


@pytest.mark.parametrize("module", sorted(MODULES))
def test_a_documented_module_starts(module: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Run `--help`, or import the module: other tests cover its function."""
    is_of_tests = module.startswith("tests.")
    arguments = ["-c", f"import {module}"] if is_of_tests else ["-m", module, "--help"]
    monkeypatch.delenv("DJANGO_SETTINGS_MODULE")
    printed = run_python(*arguments).stdout
    assert is_of_tests or all(option in printed for option in MODULES[module])


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


def test_a_translation_has_the_same_parts() -> None:
    for name in TRANSLATED:
        assert outline(ROOT / f"{name}.ko.md") == outline(ROOT / f"{name}.md"), name


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


def test_a_recorded_command_names_no_absolute_folder() -> None:
    for file in (ROOT / "docs/measurements").glob("*.json"):
        assert not re.search(r'"command": "[^"]* /', file.read_text()), file
