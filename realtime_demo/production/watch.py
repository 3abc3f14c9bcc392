"""Say when the deployment is ready, and each time that it is not any more.

python -m realtime_demo.production.watch URL CERTIFICATE
"""

from __future__ import annotations

import argparse
import http.client
import ssl
import time
import urllib.error
import urllib.request

STARTING, WATCHING = 0.2, 5.0  # seconds between looks


def look(url: str, context: ssl.SSLContext) -> str:
    """`/readyz`: empty if it is ready, else what is wrong."""
    try:
        with urllib.request.urlopen(f"{url}readyz", timeout=10, context=context):
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
    options = parser.parse_args()
    context = ssl.create_default_context(cafile=options.certificate)
    said: str | None = None
    while True:
        wrong = look(options.url, context)
        if wrong != said and not (wrong and said is None):  # not ready yet is no news
            print(f"Not ready: {wrong}" if wrong else f"Ready: {options.url}", flush=True)
            said = wrong
        time.sleep(STARTING if said is None else WATCHING)


if __name__ == "__main__":
    main()
