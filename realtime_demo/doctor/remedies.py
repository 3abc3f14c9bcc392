"""The faults between a client and the application, and the remedy of each on a platform."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from django.utils.translation import gettext
from django.utils.translation import gettext_noop as _

Severity = Literal["problem", "note"]


@dataclass(frozen=True)
class Remedy:
    """Lines of a configuration by the block that they belong to, a note, and their source.

    `source` is the page of the vendor's documentation.
    """

    note: str = ""
    lines: Mapping[str, str] = field(default_factory=dict)
    source: str = ""

    def __str__(self) -> str:
        """Return the lines, each under its block, then the note and the source."""
        parts = [f"# {block}\n{text}" for block, text in self.lines.items()]
        parts += [gettext(self.note)] if self.note else []
        return "\n".join([*parts, *([self.source] if self.source else [])])


@dataclass(frozen=True)
class Platform:
    """A proxy or a hosting platform.

    Regular expressions recognise it: by one of the fields of its responses (`response`), by all
    fields that it adds to requests (`request`), or by its response to a malformed request
    (`rejection`). `first_byte` is the documented time, in seconds, after which it ends a request
    without a response; None without such a default.
    """

    name: str
    remedies: Mapping[str, Remedy]
    response: Mapping[str, str] = field(default_factory=dict)
    request: Mapping[str, str] = field(default_factory=dict)
    rejection: str = ""
    first_byte: float | None = None

    def matches(
        self, response: Mapping[str, str], request: Mapping[str, str], rejection: str
    ) -> bool:
        """Return whether these fields or this response to a malformed request identify it."""
        return (
            any(_shows(response, name, pattern) for name, pattern in self.response.items())
            or (
                bool(self.request)
                and all(_shows(request, name, pattern) for name, pattern in self.request.items())
            )
            or bool(self.rejection and re.search(self.rejection, rejection))
        )


def _shows(fields: Mapping[str, str], name: str, pattern: str) -> bool:
    return re.search(pattern, fields.get(name, "")) is not None


@dataclass(frozen=True)
class Finding:
    """A fault of the deployment.

    `technique` is a name or "all", `fault` a key of `NOTES`, `evidence` the observation.
    """

    technique: str
    fault: str
    evidence: str
    severity: Severity = "problem"

    @property
    def name(self) -> str:
        """`fault` in the reader's language."""
        return gettext(self.fault)

    def cure(self, platforms: Sequence[Platform]) -> str:
        """Return the remedy on each platform that has one of its own, or the general note."""
        remedies = [
            f"{platform.name}:\n{platform.remedies[self.fault]}"
            for platform in platforms
            if self.fault in platform.remedies
        ]
        return "\n".join(remedies) or gettext(NOTES[self.fault])


# The general remedies. A platform's own remedy replaces one of them.
NOTES = {
    _("address"): _("The proxy must send X-Forwarded-For; run the server with BEHIND_PROXY=1."),
    _("buffers"): _("The proxy must forward each part of a response as it arrives."),
    _("caches"): _("The proxy must respect Cache-Control: no-store."),
    _("certificate"): _("The certificate must be valid for this host, and sent with its chain."),
    _("compresses"): _("The proxy must respect Cache-Control: no-transform."),
    _("downgrades"): _("The proxy must speak HTTP/1.1 or later on both sides."),
    _("drops idle"): _("The proxy may close a connection after 75 s without data, not earlier."),
    _("exposes"): _("The proxy must not forward /metrics."),
    _("host"): _("The proxy must pass on the Host of the request."),
    _("http/1.1"): _("HTTP/2 needs TLS, and the proxy must offer it."),
    _("limits bodies"): _("The proxy must accept request bodies of 64 KiB."),
    _("re-chunks"): _("Harmless to a client that reads lines instead of chunks."),
    _("refuses"): _("See the proxy's error log; deploy/nginx/server.conf has each path's needs."),
    _("rejects"): _(
        "The application rejected the request: see its detail. For 'origin', the proxy must "
        "pass the Host and scheme that the browser uses."
    ),
    _("rewrites"): _("The proxy must pass on path and query unchanged."),
    _("scheme"): _("The proxy must send X-Forwarded-Proto; run the server with BEHIND_PROXY=1."),
    _("strips"): _("The proxy must pass on the fields of requests and responses."),
    _("times out"): _("The proxy must wait longer than the longest poll timeout, 55 s."),
    _("unreachable"): _("Start the server; the proxy's upstream must be its socket."),
    _("upgrade"): _("The proxy must pass on Upgrade and Connection of a WebSocket handshake."),
}
