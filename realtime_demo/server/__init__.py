"""A plain ASGI server: Daphne with back-pressure, limits, an orderly stop and cheap writes.

    python -m realtime_demo.server [Daphne's options] realtime_demo.asgi:application

What it adds to Daphne, module by module:

- `transport`: `await send()` waits while the client does not read, and what it sends goes to the
  socket at once when nothing is waiting before it;
- `http`, `websocket`: chunks and frames are written without detours; limits of size, time and
  number are kept; errors are `application/problem+json`;
- `lifespan`: the application hears of startup and shutdown;
- `core`: listening, the connections, and the stop: everything has ended within five seconds;
- `signals`, `cli`: SIGTERM, SIGINT, and the ways to start it.

Importing it installs Twisted's asyncio reactor; a process can run one server, once.
"""

from realtime_demo.server.cli import serve
from realtime_demo.server.core import Server

__all__ = ["Server", "serve"]
