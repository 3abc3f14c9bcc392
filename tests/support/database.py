"""Migrated databases, copied from one that is migrated once, in SQLite and PostgreSQL."""

from __future__ import annotations

import atexit
import os
import shutil
import subprocess
import sys
import tempfile
import uuid
from functools import cache
from pathlib import Path

from .postgresql_server import PostgreSQLServer
from .program import ROOT

TEMPLATE = "template_realtime"


def migrated(folder: Path) -> Path:
    """Put a migrated SQLite database into `folder`; return its path."""
    return Path(shutil.copy(_template(), folder / "db.sqlite3"))


def migrated_postgresql(server: PostgreSQLServer) -> str:
    """Create a migrated database on `server`; return its URL."""
    _migrate_template(server)
    name = f"realtime_{uuid.uuid4().hex}"
    server.execute(f"CREATE DATABASE {name} TEMPLATE {TEMPLATE}")
    return server.url(name)


@cache
def _template() -> Path:
    folder = tempfile.mkdtemp()
    atexit.register(shutil.rmtree, folder)
    path = Path(folder) / "db.sqlite3"
    _migrate({"DATABASE_PATH": str(path)})
    return path


@cache
def _migrate_template(server: PostgreSQLServer) -> None:
    server.execute(f"CREATE DATABASE {TEMPLATE}")
    _migrate({"DATABASE_URL": server.url(TEMPLATE)})


def _migrate(env: dict[str, str]) -> None:
    subprocess.run(
        [sys.executable, "manage.py", "migrate", "--verbosity", "0"],
        cwd=ROOT,
        env={**os.environ, **env},
        check=True,
    )
