"""The faults between a client and the application, and the cure of each."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Severity = Literal["problem", "note"]

# The cures, as nginx configuration; deploy/nginx/server.conf has all of them.
REMEDIES = {
    "address": "proxy_set_header X-Forwarded-For $remote_addr;  and BEHIND_PROXY=1",
    "buffers": "proxy_buffering off;  and no proxy_ignore_headers X-Accel-Buffering",
    "caches": "proxy_cache off;  (responses have Cache-Control: no-store)",
    "certificate": "ssl_certificate: a valid one for this name, of an authority, with its chain",
    "compresses": "gzip off;  and no proxy_hide_header Content-Encoding",
    "downgrades": 'proxy_http_version 1.1;  proxy_set_header Connection "";',
    "drops idle": "proxy_read_timeout 75s;  (the server sends heartbeats every 15 s)",
    "exposes": "location = /metrics { return 404; }",
    "host": "proxy_set_header Host $http_host;",
    "http/1.1": "http2 on;  (before nginx 1.25.1: listen 443 ssl http2;)",
    "limits bodies": "client_max_body_size 64k;",
    "re-chunks": "proxy_buffering off;  (harmless to a client that reads lines, not chunks)",
    "refuses": "read the proxy's error log; server.conf has what each path needs",
    "rewrites": "proxy_pass http://realtime;  (without a path, nothing is rewritten)",
    "scheme": "proxy_set_header X-Forwarded-Proto $scheme;  and BEHIND_PROXY=1",
    "strips": "no proxy_hide_header, and proxy_pass_request_headers on;",
    "times out": "proxy_read_timeout 75s;  (longer than the longest poll timeout, 55 s)",
    "unreachable": "start the server; the proxy's upstream must be its socket",
    "upgrade": "proxy_set_header Upgrade $http_upgrade;  proxy_set_header Connection "
    "$realtime_connection;  proxy_http_version 1.1;",
}


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
        return REMEDIES[self.what]
