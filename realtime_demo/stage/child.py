"""The child: the server, on a loopback port of its own, that only the parent's tap reaches."""

from __future__ import annotations

import asyncio
import logging
import sys

from django.conf import settings


def main() -> int:
    """Serve until stopped, or until the parent is gone; an exit code."""
    from realtime_demo.asgi import application
    from realtime_demo.server import serve
    from realtime_demo.stage.beat import beat
    from realtime_demo.stage.link import parent
    from realtime_demo.stage.parent import CHILD_HOST

    logging.basicConfig(format="%(levelname)s %(name)s: %(message)s")
    tasks: list[asyncio.Task[None]] = []

    def ready(url: str) -> None:
        port = int(url.rstrip("/").rpartition(":")[2])
        connecting = parent.connect(settings.STAGE_SOCKET, port, beat.follow)
        tasks.append(asyncio.get_running_loop().create_task(connecting))

    return serve(application, CHILD_HOST, 0, on_ready=ready)


if __name__ == "__main__":
    sys.exit(main())
