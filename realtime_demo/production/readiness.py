"""Reports of the deployment's `/readyz`."""

from __future__ import annotations

import ssl
import threading
import time
from collections.abc import Callable
from pathlib import Path

import httpx

STARTING, WATCHING = 0.2, 5.0  # seconds between requests: until the first report, and after
PATIENCE = 10.0  # seconds until a starting deployment is reported as not ready


def check(url: str, tls: ssl.SSLContext) -> str:
    """Return the problem that `/readyz` reports; empty if the deployment is ready."""
    try:
        response = httpx.get(f"{url}readyz", verify=tls, trust_env=False, timeout=10)
    except httpx.TransportError as error:
        return str(error)
    return "" if response.is_success else f"{response.status_code}: {response.text[:300]}"


def report(
    url: str, certificate: Path, write: Callable[[str], None], stopping: threading.Event
) -> None:
    """Write when the deployment becomes ready, and when it is not, until it is `stopping`."""
    tls = ssl.create_default_context(cafile=certificate)
    reported: str | None = None
    deadline = time.monotonic() + PATIENCE
    while not stopping.is_set():
        problem = check(url, tls)
        starting = reported is None and time.monotonic() < deadline
        if problem != reported and not (problem and (starting or stopping.is_set())):
            write(f"Not ready: {problem}" if problem else f"Ready: {url}")
            reported = problem
        stopping.wait(STARTING if reported is None else WATCHING)
