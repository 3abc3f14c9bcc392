"""Migrated databases, copied from one that is migrated once."""

from __future__ import annotations

import atexit
import os
import shutil
import subprocess
import sys
import tempfile
from functools import cache
from pathlib import Path

from .program import ROOT


def migrated(folder: Path) -> Path:
    """Put a migrated SQLite database into `folder`; return its path."""
    return Path(shutil.copy(_template(), folder / "db.sqlite3"))


@cache
def _template() -> Path:
    folder = tempfile.mkdtemp()
    atexit.register(shutil.rmtree, folder)
    path = Path(folder) / "db.sqlite3"
    subprocess.run(
        [sys.executable, "manage.py", "migrate", "--verbosity", "0"],
        cwd=ROOT,
        env={**os.environ, "DATABASE_PATH": str(path)},
        check=True,
    )
    return path
