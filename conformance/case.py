"""One conformance case: a function, and the sentence of a standard that it checks."""

from __future__ import annotations

import tomllib
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from gettext import gettext
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeVar

if TYPE_CHECKING:
    from .probe import Probe

Level = Literal["MUST", "SHOULD"]
Check = Callable[["Probe"], Awaitable[None]]
Parametrized = TypeVar("Parametrized", bound=Callable[..., Awaitable[None]])

SERVER_SENT_EVENTS = "https://html.spec.whatwg.org/multipage/server-sent-events.html"
LINKS = {
    "sse/9.2.2": f"{SERVER_SENT_EVENTS}#the-eventsource-interface",
    "sse/9.2.3": f"{SERVER_SENT_EVENTS}#sse-processing-model",
    "sse/9.2.4": f"{SERVER_SENT_EVENTS}#the-last-event-id-header",
    "sse/9.2.5": f"{SERVER_SENT_EVENTS}#parsing-an-event-stream",
    "sse/9.2.6": f"{SERVER_SENT_EVENTS}#event-stream-interpretation",
    "sse/9.2.7": f"{SERVER_SENT_EVENTS}#authoring-notes",
    "ndjson": "https://github.com/ndjson/ndjson-spec",
    "headers/nosniff": "https://fetch.spec.whatwg.org/#x-content-type-options-header",
    "headers/cross-origin-resource-policy": "https://fetch.spec.whatwg.org/#cross-origin-resource-policy-header",
    "headers/vary": "https://fetch.spec.whatwg.org/#cors-protocol-and-http-caches",
    "headers/no-buffering": "https://nginx.org/en/docs/http/ngx_http_proxy_module.html#proxy_buffering",
    "headers/incremental": "https://www.rfc-editor.org/rfc/rfc10036",
    "headers/no-store": "https://www.rfc-editor.org/rfc/rfc9111#section-5.2.2.5",
    "headers/no-transform": "https://www.rfc-editor.org/rfc/rfc9111#section-5.2.2.6",
    "headers/content-encoding": "https://www.rfc-editor.org/rfc/rfc9110#section-8.4",
}
SENTENCES: dict[Level, dict[str, str]] = tomllib.loads(
    Path(__file__).with_name("sentences.toml").read_text(encoding="utf-8")
)  # type: ignore[assignment]


def sentence_of(id: str) -> tuple[Level, str]:
    """Return the level and the sentence of a case: from the longest pattern that matches."""
    matching = [
        (len(pattern), level, sentence)
        for level, sentences in SENTENCES.items()
        for pattern, sentence in sentences.items()
        if fnmatchcase(id, pattern)
    ]
    _, level, sentence = max(matching)
    return level, sentence


def gettext_noop(text: str) -> str:
    """Mark `text` for the catalog of `manage.py conform`."""
    return text


class Reason(Exception):
    """The reason of an outcome: a message of the catalog, and its values.

    `make messages` finds the message in a call of this class or its subclasses. As a string, the
    reason is English: reports for programs do not depend on the reader's language.
    """

    def __init__(self, message: str, **values: object) -> None:
        super().__init__(message, values)
        self.message = message
        self.values = values

    def __str__(self) -> str:
        return self.message.format(**self.values)

    @property
    def translated(self) -> str:
        return gettext(self.message).format(**self.values)


class Failed(Reason):
    """The server violates the case; the message says what was expected and what came."""


class Skipped(Reason):
    """The case does not apply to this server, or cannot be judged; the message is the reason."""


@dataclass(frozen=True)
class Case:
    """A case: `check` returns if the server passes, and otherwise raises `Failed` or `Skipped`.

    `id` is `<standard>/<section>/<name>`. `kind` is the kind of endpoint that it needs ("http",
    "sse", "ndjson", "longpoll", "websocket" or "ours"). A case that `publishes` sends data that
    the application may store or act on.
    """

    id: str
    level: Level
    sentence: str
    kind: str
    check: Check
    publishes: bool = False

    @property
    def section(self) -> str:
        """The id without the case's own name, such as "rfc9112/3.2"."""
        return self.id.rpartition("/")[0]

    @property
    def paragraph(self) -> str:
        """The section of the standard, such as "3.2"."""
        return self.section.split("/")[1] if "/" in self.section else ""

    @property
    def standard(self) -> str:
        return self.id.partition("/")[0]

    @property
    def place(self) -> str:
        """The place of the sentence, such as "RFC 9112 §3.2"."""
        if self.standard.startswith("rfc"):
            return f"RFC {self.standard.removeprefix('rfc')} §{self.paragraph}"
        if self.standard == "sse":
            return f"WHATWG HTML §{self.paragraph}"
        places = {"contract": "docs/contract.md", "ndjson": f"NDJSON §{self.paragraph}"}
        return places.get(self.standard, f"{self.standard}/{self.paragraph}")

    @property
    def link(self) -> str:
        """The address of the sentence; empty for the project's own contract."""
        if self.standard.startswith("rfc"):
            return f"https://www.rfc-editor.org/rfc/{self.standard}#section-{self.paragraph}"
        return LINKS.get(f"{self.standard}/{self.paragraph}", LINKS.get(self.standard, ""))

    def is_in(self, selection: str) -> bool:
        """Return whether `selection`, such as "rfc9112" or "rfc9112/3.2", names this case."""
        return self.id == selection or self.id.startswith(f"{selection.rstrip('/')}/")


class Cases(list[Case]):
    """A module's cases, in order; by default they need an endpoint of `kind`."""

    def __init__(self, kind: str) -> None:
        super().__init__()
        self.kind = kind

    def case(self, id: str, *, kind: str = "", publishes: bool = False) -> Callable[[Check], Check]:
        """Return a decorator that adds the decorated function as a case."""
        level, sentence = sentence_of(id)

        def add(check: Check) -> Check:
            self.append(Case(id, level, sentence, kind or self.kind, check, publishes))
            return check

        return add

    def each(
        self,
        prefix: str,
        rows: Mapping[str, Any] | Iterable[str],
        *,
        kind: str = "",
        publishes: bool = False,
    ) -> Callable[[Parametrized], Parametrized]:
        """Return a decorator that adds a case for each row; its id is `prefix` and the row's name.

        The case calls the decorated function with the probe and the row's value, or with the name
        if the rows have no values. A tuple is passed as several arguments.
        """

        def add(check: Parametrized) -> Parametrized:
            for name in rows:
                value = rows[name] if isinstance(rows, Mapping) else name
                values = value if isinstance(value, tuple) else (value,)
                self.case(f"{prefix}{name}", kind=kind, publishes=publishes)(_row(check, values))
            return check

        return add


def _row(check: Callable[..., Awaitable[None]], values: tuple[Any, ...]) -> Check:
    return lambda probe: check(probe, *values)
