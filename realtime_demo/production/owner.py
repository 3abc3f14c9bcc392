"""Who runs a production: one command in each directory, and its parts end when it does.

The command holds a lock on `DIRECTORY/production.lock` as long as it lives, however it ends. It is
a lock of POSIX (fcntl(2)), which belongs to one process: what that has forked does not keep it.
Each part waits for it, and shares it then until it has ended too.
"""

from __future__ import annotations

import fcntl
import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

LOCK = "production.lock"


class Owned(Exception):
    """Somebody else runs the production, or what is left of it still ends."""


@contextmanager
def owned(run: Path) -> Iterator[None]:
    """Own the production while the block lasts. Raises `Owned`."""
    with open(run / LOCK, "a+") as lock:
        try:
            fcntl.lockf(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise Owned from error
        yield


def end_with_owner(run: Path) -> None:
    """This process is sent SIGTERM once nobody owns the production any more."""
    threading.Thread(target=_wait_for_the_end, args=(run,), daemon=True).start()


def _wait_for_the_end(run: Path) -> None:
    with open(run / LOCK, "a+") as lock:
        fcntl.lockf(lock, fcntl.LOCK_SH)
        os.kill(os.getpid(), signal.SIGTERM)
        threading.Event().wait()  # holding it until this process has ended
