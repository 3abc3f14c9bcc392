"""SQLite's file, away or locked."""

from __future__ import annotations

import contextlib
import os
import sqlite3
import time
from collections.abc import Iterator
from pathlib import Path


@contextlib.contextmanager
def away(database: Path) -> Iterator[None]:
    """Nobody can open it while the block lasts.

    A link into a directory that is not there takes its place in one step: wherever there is
    nothing, if only for a moment, somebody's SQLite makes an empty database.
    """
    aside, nowhere = database.with_name("aside"), database.with_name("nowhere")
    os.link(database, aside)
    nowhere.symlink_to(nowhere.with_name("not-there") / database.name)
    nowhere.replace(database)
    try:
        yield
    finally:
        aside.replace(database)


def lock(database: Path, seconds: float) -> None:
    """Nobody else can read it or write to it, for so long."""
    with contextlib.closing(sqlite3.connect(database, 30, isolation_level=None)) as connection:
        connection.execute("PRAGMA locking_mode = EXCLUSIVE")
        connection.execute("BEGIN EXCLUSIVE")
        time.sleep(seconds)
        connection.execute("ROLLBACK")
