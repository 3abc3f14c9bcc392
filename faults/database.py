"""Faults of the database: SQLite's file removed or locked."""

from __future__ import annotations

import contextlib
import os
import sqlite3
import time
from collections.abc import Iterator
from pathlib import Path


@contextlib.contextmanager
def unavailable(database: Path) -> Iterator[None]:
    """Make the database impossible to open for the block.

    A dangling symbolic link replaces the file in one step: if the path were free for a moment,
    SQLite in another process would create an empty database there.
    """
    backup, dangling = database.with_name("aside"), database.with_name("nowhere")
    os.link(database, backup)
    dangling.symlink_to(database.with_name("not-there") / database.name)
    dangling.replace(database)
    try:
        yield
    finally:
        backup.replace(database)


def lock(database: Path, seconds: float) -> None:
    """Lock the database against reads and writes of other processes, for `seconds`."""
    with contextlib.closing(sqlite3.connect(database, 30, isolation_level=None)) as connection:
        connection.execute("PRAGMA locking_mode = EXCLUSIVE")
        connection.execute("BEGIN EXCLUSIVE")
        time.sleep(seconds)
        connection.execute("ROLLBACK")
