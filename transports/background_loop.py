"""The event loop of synchronous code: one in each process, in a daemon thread."""

from __future__ import annotations

import asyncio
import os
import threading

_lock = threading.Lock()
_loop: asyncio.AbstractEventLoop | None = None
# Kept: a child shares the descriptors of its parent's loop, and closing the loop would unregister
# the parent's sockets.
_loops_of_parents: list[asyncio.AbstractEventLoop] = []


def current() -> asyncio.AbstractEventLoop:
    """Return the process's loop, started on first use."""
    global _loop
    with _lock:
        if _loop is None:
            _loop = asyncio.new_event_loop()
            threading.Thread(target=_loop.run_forever, name="realtime-feed", daemon=True).start()
        return _loop


def _forked() -> None:
    """Start over in a child, which has the loop but not its thread."""
    global _lock, _loop
    _lock = threading.Lock()
    if _loop is not None:
        _loops_of_parents.append(_loop)
        _loop = None


os.register_at_fork(after_in_child=_forked)
