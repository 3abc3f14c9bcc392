"""What can be wrong between a client and the application, and what cures it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Severity = Literal["problem", "note"]

# The cures, in nginx's words; deploy/nginx/server.conf has them all together.
REMEDIES = {
    "address": "proxy_set_header X-Forwarded-For $remote_addr;  and BEHIND_PROXY=1",
    "buffers": "proxy_buffering off;  and no proxy_ignore_headers X-Accel-Buffering",
    "caches": "proxy_cache off;  (the answers say Cache-Control: no-store)",
    "certificate": "ssl_certificate: one for this name, of an authority, with its chain, renewed",
    "compresses": "gzip off;  and no proxy_hide_header Content-Encoding",
    "downgrades": 'proxy_http_version 1.1;  proxy_set_header Connection "";',
    "drops idle": "proxy_read_timeout 75s;  (heartbeats come every 15 s)",
    "exposes": "location = /metrics { return 404; }",
    "host": "proxy_set_header Host $http_host;",
    "http/1.1": "http2 on;  (before nginx 1.25.1: listen 443 ssl http2;)",
    "limits bodies": "client_max_body_size 64k;",
    "re-chunks": "proxy_buffering off;  (harmless to a client that reads lines, not chunks)",
    "refuses": "look into the proxy's error log; server.conf shows what each path needs",
    "rewrites": "proxy_pass http://realtime;  (without a path, nothing is rewritten)",
    "scheme": "proxy_set_header X-Forwarded-Proto $scheme;  and BEHIND_PROXY=1",
    "strips": "no proxy_hide_header, and proxy_pass_request_headers on;",
    "times out": "proxy_read_timeout 75s;  (longer than the longest hold, 55 s)",
    "unreachable": "start it, and see that the proxy's upstream is its socket",
    "upgrade": "proxy_set_header Upgrade $http_upgrade;  proxy_set_header Connection "
    "$realtime_connection;  proxy_http_version 1.1;",
}


@dataclass(frozen=True)
class Finding:
    """`technique` by its name, or "all"; `what` is one of `REMEDIES`; `evidence` what was seen."""

    technique: str
    what: str
    evidence: str
    severity: Severity = "problem"

    @property
    def cure(self) -> str:
        return REMEDIES[self.what]
