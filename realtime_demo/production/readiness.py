"""Reports of the deployment's `/readyz`."""

from __future__ import annotations

import http.client
import ssl
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path

STARTING, WATCHING = 0.2, 5.0  # seconds between requests: until the first report, and after
PATIENCE = 10.0  # seconds until a starting deployment is reported as not ready


def opener(context: ssl.SSLContext) -> urllib.request.OpenerDirector:
    """Return an HTTP client that ignores the environment's proxies."""
    return urllib.request.build_opener(
        urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=context)
    )


def check(url: str, client: urllib.request.OpenerDirector) -> str:
    """Return the problem that `/readyz` reports; empty if the deployment is ready."""
    try:
        with client.open(f"{url}readyz", timeout=10):
            return ""
    except urllib.error.HTTPError as error:
        with error:
            return f"{error.code}: {error.read(300).decode(errors='replace')}"
    except (OSError, http.client.HTTPException) as error:
        return str(error)


def report(
    url: str, certificate: Path, write: Callable[[str], None], stopping: threading.Event
) -> None:
    """Write when the deployment becomes ready, and when it is not, until it is `stopping`."""
    client = opener(ssl.create_default_context(cafile=certificate))
    reported: str | None = None
    deadline = time.monotonic() + PATIENCE
    while not stopping.is_set():
        problem = check(url, client)
        starting = reported is None and time.monotonic() < deadline
        if problem != reported and not (problem and (starting or stopping.is_set())):
            write(f"Not ready: {problem}" if problem else f"Ready: {url}")
            reported = problem
        stopping.wait(STARTING if reported is None else WATCHING)
