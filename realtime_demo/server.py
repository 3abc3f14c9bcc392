"""Uvicorn with this project's limits.

python -m realtime_demo.server [Uvicorn's options]
"""

from __future__ import annotations

import os

import uvicorn.main
from uvicorn.config import LOGGING_CONFIG

from realtime_demo.asgi_servers import APPLICATION, BACKLOG, GRACE, SPARE_FILES, raise_open_files
from realtime_demo.log_filter import WithoutSecrets


def main() -> None:
    """Serve until SIGTERM or SIGINT. Uvicorn's options override this project's defaults."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "realtime_demo.settings")
    os.environ.setdefault("UV_THREADPOOL_SIZE", "1")  # uvloop only resolves names there
    from django.conf import settings

    defaults = {
        "app": APPLICATION,
        "http": "realtime_demo.protocols:HttpProtocol",
        "ws": "realtime_demo.protocols:WebSocketProtocol",
        "ws_max_size": settings.BODY_SIZE,
        "ws_per_message_deflate": False,
        # Idle connections count too; past MAX_CONNECTIONS the application itself answers 503.
        "limit_concurrency": raise_open_files(settings.MAX_CONNECTIONS + SPARE_FILES),
        "backlog": BACKLOG,
        "timeout_graceful_shutdown": GRACE,
        "access_log": False,
        "proxy_headers": False,  # `Boundary` reads them, on any server
        "server_header": False,
    }
    LOGGING_CONFIG["filters"] = {"without_secrets": {"()": WithoutSecrets}}
    for handler in LOGGING_CONFIG["handlers"].values():
        handler["filters"] = ["without_secrets"]
    uvicorn.main.main(default_map=defaults, prog_name="realtime_demo.server")


if __name__ == "__main__":
    main()
