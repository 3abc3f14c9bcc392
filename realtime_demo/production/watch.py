"""Say when the deployment is ready, and each time that it is not any more.

python -m realtime_demo.production.watch URL CERTIFICATE DIRECTORY
"""

from __future__ import annotations

import argparse
import http.client
import ssl
import time
import urllib.error
import urllib.request
from pathlib import Path

from .owner import end_with_owner

STARTING, WATCHING = 0.2, 5.0  # seconds between looks
PATIENCE = 10.0  # seconds after which it is news that it has not been ready yet


def opener(context: ssl.SSLContext) -> urllib.request.OpenerDirector:
    """What asks this machine itself, whatever proxy the environment names for the others."""
    return urllib.request.build_opener(
        urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=context)
    )


def look(url: str, asking: urllib.request.OpenerDirector) -> str:
    """`/readyz`: empty if it is ready, else what is wrong."""
    try:
        with asking.open(f"{url}readyz", timeout=10):
            return ""
    except urllib.error.HTTPError as error:
        with error:
            return f"{error.code}: {error.read(300).decode(errors='replace')}"
    except (OSError, http.client.HTTPException) as error:
        return str(error)


def main() -> None:
    parser = argparse.ArgumentParser(description="Watch a deployment.")
    parser.add_argument("url")
    parser.add_argument("certificate", help="the one that it shows")
    parser.add_argument("run", type=Path, help="the directory of the owner's lock")
    options = parser.parse_args()
    end_with_owner(options.run)
    asking = opener(ssl.create_default_context(cafile=options.certificate))
    said: str | None = None
    news = time.monotonic() + PATIENCE  # not ready yet is none before
    while True:
        wrong = look(options.url, asking)
        if wrong != said and not (wrong and said is None and time.monotonic() < news):
            print(f"Not ready: {wrong}" if wrong else f"Ready: {options.url}", flush=True)
            said = wrong
        time.sleep(STARTING if said is None else WATCHING)


if __name__ == "__main__":
    main()
