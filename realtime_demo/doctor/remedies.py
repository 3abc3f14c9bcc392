"""The faults between a client and the application, and the cure of each."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from django.utils.translation import gettext
from django.utils.translation import gettext_noop as _

Severity = Literal["problem", "note"]


@dataclass(frozen=True)
class Remedy:
    """Lines of an nginx configuration, by the block that they belong to, and a note in words."""

    note: str = ""
    location: str = ""
    server: str = ""
    http: str = ""

    def __str__(self) -> str:
        """The lines, each under its block, then the note."""
        blocks = (("http", self.http), ("server", self.server), ("location", self.location))
        lines = [f"# {name}\n{text}" for name, text in blocks if text]
        return "\n".join([*lines, *([gettext(self.note)] if self.note else [])])


# "upgrade" if the request has an Upgrade header, else empty: one value for all techniques.
CONNECTION = "map $http_upgrade $connection_upgrade { default upgrade; '' ''; }"

# deploy/nginx/server.conf has all of them.
REMEDIES = {
    "address": Remedy(
        _("Run the server with BEHIND_PROXY=1."), "proxy_set_header X-Forwarded-For $remote_addr;"
    ),
    "buffers": Remedy(_("Remove proxy_ignore_headers X-Accel-Buffering."), "proxy_buffering off;"),
    "caches": Remedy(_("Responses have Cache-Control: no-store."), "proxy_cache off;"),
    "certificate": Remedy(
        _("ssl_certificate must name a valid certificate for this host, with its chain.")
    ),
    "compresses": Remedy(_("nginx compresses despite no-transform."), "gzip off;"),
    "downgrades": Remedy(
        "",
        "proxy_http_version 1.1;\nproxy_set_header Connection $connection_upgrade;",
        http=CONNECTION,
    ),
    "drops idle": Remedy(_("The server sends a heartbeat every 15 s."), "proxy_read_timeout 75s;"),
    "exposes": Remedy(server="location = /metrics { return 404; }"),
    "host": Remedy("", "proxy_set_header Host $http_host;"),
    "http/1.1": Remedy(
        _("Before nginx 1.25.1: listen 443 ssl http2; HTTP/2 also needs TLS."), server="http2 on;"
    ),
    "limits bodies": Remedy("", "client_max_body_size 64k;"),
    "re-chunks": Remedy(
        _("Harmless to a client that reads lines instead of chunks."), "proxy_buffering off;"
    ),
    "refuses": Remedy(
        _("See the proxy's error log; deploy/nginx/server.conf has each path's needs.")
    ),
    "rejects": Remedy(
        _(
            "The application rejected the request: see its detail. For 'origin', the proxy must "
            "pass the Host and scheme that the browser uses."
        ),
        "proxy_set_header Host $http_host;\nproxy_set_header X-Forwarded-Proto $scheme;",
    ),
    "rewrites": Remedy(_("Write proxy_pass with a server and without a path.")),
    "scheme": Remedy(
        _("Run the server with BEHIND_PROXY=1."), "proxy_set_header X-Forwarded-Proto $scheme;"
    ),
    "strips": Remedy(_("Remove proxy_hide_header."), "proxy_pass_request_headers on;"),
    "times out": Remedy(_("The longest poll timeout is 55 s."), "proxy_read_timeout 75s;"),
    "unreachable": Remedy(_("Start the server; the proxy's upstream must be its socket.")),
    "upgrade": Remedy(
        "",
        "proxy_http_version 1.1;\nproxy_set_header Upgrade $http_upgrade;\n"
        "proxy_set_header Connection $connection_upgrade;",
        http=CONNECTION,
    ),
}


# The keys in words of the reader's language.
NAMES = (
    *(_("address"), _("buffers"), _("caches")),
    *(_("certificate"), _("compresses"), _("downgrades")),
    *(_("drops idle"), _("exposes"), _("host")),
    *(_("http/1.1"), _("limits bodies"), _("re-chunks")),
    *(_("refuses"), _("rejects"), _("rewrites")),
    *(_("scheme"), _("strips"), _("times out")),
    *(_("unreachable"), _("upgrade")),
)


@dataclass(frozen=True)
class Finding:
    """A fault of the deployment.

    `technique` is a name or "all", `what` a key of `REMEDIES`, `evidence` the observation.
    """

    technique: str
    what: str
    evidence: str
    severity: Severity = "problem"

    @property
    def cure(self) -> str:
        return str(REMEDIES[self.what])

    @property
    def name(self) -> str:
        """`what` in the reader's language."""
        return gettext(self.what)
