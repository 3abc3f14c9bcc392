"""Reference pages made from the code: the settings, the commands, and the JSON Schemas."""

from __future__ import annotations

import argparse
import ast
import json
import re
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from django.conf import global_settings
from django.core.management import get_commands, load_command_class
from django.core.management.base import BaseCommand
from django.utils import translation

from background.conf import TaskConf

ROOT = Path(__file__).resolve().parents[2]
SETTINGS = ROOT / "realtime_demo" / "settings.py"
DESCRIPTIONS = ROOT / "transports" / "operations"
KOREAN: dict[str, str] = tomllib.loads((Path(__file__).parent / "korean.toml").read_text())
DJANGO = "https://docs.djangoproject.com/en/5.2/ref/settings/"
KINDS = {
    "_boolean": "boolean",
    "_integer": "integer",
    "_number": "number",
    "_list": "list",
    "_origins": "list of origins",
}
SETTINGS_INTRODUCTION = (
    "Each setting is an environment variable of the same name, read by "
    "`realtime_demo/settings.py`, from which this page is made. Lists are separated by commas; "
    "a server with an invalid value does not start, and prints a message."
)
COMMANDS_INTRODUCTION = "This page is made from the parsers of the commands and from the Makefile."
SCHEMAS_INTRODUCTION = (
    "Servers have these descriptions at `/openapi.json` (OpenAPI 3.1) and `/asyncapi.json` "
    "(AsyncAPI 3.0), for generators of clients and documentation. The tests compare them with "
    "the server's messages. [The wire contract](contract.md) explains them."
)


@dataclass(frozen=True)
class Setting:
    """A setting that an environment variable sets. `section` is its heading in the source."""

    name: str
    kind: str
    default: str
    meaning: str
    section: str


def settings() -> list[Setting]:
    """Return the settings in the order of the source."""
    source = SETTINGS.read_text()
    lines = source.splitlines()
    settings_by_name: dict[str, Setting] = {}
    for statement in ast.parse(source).body:
        if not isinstance(statement, ast.Assign | ast.AnnAssign):
            continue
        for call in ast.walk(statement):
            if isinstance(call, ast.Call) and (setting := _setting(call, statement, lines)):
                settings_by_name.setdefault(setting.name, setting)
    return list(settings_by_name.values())


def _setting(call: ast.Call, statement: ast.stmt, lines: list[str]) -> Setting | None:
    match call.func, call.args:
        case ast.Name(id=reader), [ast.Constant(value=str(name)), *rest] if reader in KINDS:
            kind = KINDS[reader]
        case ast.Attribute(attr="get", value=ast.Attribute(attr="environ")), [
            ast.Constant(value=str(name)),
            *rest,
        ]:
            kind = "string"
        case _:
            return None
    default = _default(rest[0]) if rest else ""
    return Setting(name, kind, default, _meaning(statement, lines), _section(statement, lines))


def _default(node: ast.expr) -> str:
    match node:
        case ast.Constant(value=value):
            return str(value)
        case ast.Attribute(value=ast.Name(id="Conf" | "TaskConf"), attr=name):
            return str(getattr(TaskConf, name))
    return re.sub(r"^(?:BASE|DATA)_DIR / '(.*)'$", r"\1", ast.unparse(node))


def _meaning(statement: ast.stmt, lines: list[str]) -> str:
    """Return the comment on the statement's line, or else the one above it."""
    _code, mark, comment = lines[statement.lineno - 1].partition("  # ")
    if mark:
        return comment
    above: list[str] = []
    for line in reversed(lines[: statement.lineno - 1]):
        if not line.startswith("# ") or line.startswith("# ---"):
            break
        above.insert(0, line.removeprefix("# "))
    return " ".join(above)


def _section(statement: ast.stmt, lines: list[str]) -> str:
    for line in reversed(lines[: statement.lineno]):
        if match := re.match(r"# --- (.*?) -+$", line):
            return match[1]
    return "General"


def translated(text: str, language: str) -> str:
    """Return the language's form of `text`, which the code contains. Raises `KeyError`."""
    return KOREAN[text] if language == "ko" and text else text


def settings_page(language: str) -> str:
    """Return the Markdown page of the settings."""
    lines = _beginning(language, "Settings", SETTINGS_INTRODUCTION)
    section = ""
    for setting in settings():
        if setting.section != section:
            section = setting.section
            lines += ["", f"## {translated(section, language)}", ""]
            lines += _table(language, "Setting", "Type", "Default", "Meaning")
        default = f"`{setting.default}`" if setting.default else ""
        meaning = translated(setting.meaning, language)
        if not meaning and hasattr(global_settings, setting.name):
            meaning = f"[Django]({DJANGO}#{setting.name.lower().replace('_', '-')})"
        kind = translated(setting.kind, language)
        lines.append(row(f"`{setting.name}`", kind, default, meaning))
    return "\n".join([*lines, ""])


def _beginning(language: str, title: str, introduction: str) -> list[str]:
    return [f"# {translated(title, language)}", "", translated(introduction, language)]


def _table(language: str, *columns: str) -> list[str]:
    """Return the head of a table."""
    return [row(*(translated(column, language) for column in columns)), "|" + "---|" * len(columns)]


def row(*cells: str) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def commands() -> dict[str, BaseCommand]:
    """Return the project's own commands by name."""
    ours = {
        name: app
        for name, app in get_commands().items()
        if isinstance(app, str) and (ROOT / app.replace(".", "/")).is_dir()
        if name != "makemessages"  # Django's; `make messages` runs it
    }
    return {name: load_command_class(app, name) for name, app in sorted(ours.items())}


def options(command: BaseCommand, name: str) -> Iterator[tuple[str, str]]:
    """Yield the options of a command, without those that every command of Django has."""
    common = {action.dest for action in BaseCommand().create_parser("manage.py", name)._actions}
    parser = command.create_parser("manage.py", name)
    for action in parser._actions:
        if action.dest in common or action.help == argparse.SUPPRESS:
            continue
        value = action.metavar or (action.dest.upper() if action.option_strings else action.dest)
        label = ", ".join(action.option_strings) or str(value)
        if action.choices is not None:
            label += " " + "|".join(map(str, action.choices))
        elif action.option_strings and action.nargs != 0:
            label += f" {value}"
        yield label, parser._get_formatter()._expand_help(action) if action.help else ""


def commands_page(language: str) -> str:
    """Return the Markdown page of the commands."""
    lines = _beginning(language, "Commands", COMMANDS_INTRODUCTION)
    lines += ["", "## make", "", *_table(language, "Command", "Meaning")]
    makefile = (ROOT / "Makefile").read_text()
    for target, meaning in re.findall(r"^([a-z-]+):.*?## (.*)$", makefile, re.MULTILINE):
        lines.append(row(f"`make {target}`", translated(meaning, language)))
    for name, command in commands().items():
        with translation.override(language):
            rows = list(options(command, name))  # translates the help, too
        lines += ["", f"## manage.py {name}", "", str(command.help)]
        if rows:
            lines += ["", *_table(language, "Option", "Meaning")]
            lines += [
                row(f"`{label}`", KOREAN.get(meaning, meaning) if language == "ko" else meaning)
                for label, meaning in rows
            ]
    return "\n".join([*lines, ""])


def schemas_page(language: str) -> str:
    """Return the Markdown page of the schemas of the wire contract."""
    schemas = json.loads((DESCRIPTIONS / "openapi.json").read_text())["components"]["schemas"]
    socket = json.loads((DESCRIPTIONS / "asyncapi.json").read_text())
    lines = _beginning(language, "JSON Schemas", SCHEMAS_INTRODUCTION)
    for name in ("Event", "Batch", "Publish", "Problem"):
        lines += ["", f"## {name}", "", _json(schemas[name])]
    lines += ["", f"## {translated('Messages of a WebSocket', language)}", ""]
    for name, message in socket["components"]["messages"].items():
        lines += ["", f"### {name}", "", _json(message["payload"])]
    lines += ["", f"## {translated('The WebSocket in AsyncAPI', language)}", ""]
    lines.append(_json({name: socket[name] for name in ("channels", "operations")}))
    return "\n".join([*lines, ""])


def _json(value: object) -> str:
    return f"```json\n{json.dumps(value, indent=2, ensure_ascii=False)}\n```"


PAGES = {
    "docs/settings": settings_page,
    "docs/commands": commands_page,
    "docs/schemas": schemas_page,
}
