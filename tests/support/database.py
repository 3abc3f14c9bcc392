"""Migrated databases, copied from one that is migrated once, in SQLite and PostgreSQL."""

from __future__ import annotations

import atexit
import shutil
import tempfile
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import dj_database_url
from django.core.management import call_command
from django.db import connection, connections

from .postgresql_server import PostgreSQLServer
from .waiting import BOUND

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
    _migrate(f"sqlite:///{path}")
    return path


@cache
def _migrate_template(server: PostgreSQLServer) -> None:
    server.execute(f"CREATE DATABASE {TEMPLATE}")
    _migrate(server.url(TEMPLATE))


@contextmanager
def default_database(url: str) -> Iterator[None]:
    """Let the threads that the block starts use the database at `url`."""
    parsed: dict[str, Any] = {**dj_database_url.parse(url)}
    if url.startswith("sqlite:"):
        # A transaction that reads before it writes would fail at once, without waiting, if a server
        # wrote in between.
        parsed["OPTIONS"] = {"timeout": BOUND, "transaction_mode": "IMMEDIATE"}
    former = connections.settings["default"]
    configured = connections.configure_settings({"default": parsed})
    connections.settings["default"] = configured["default"]
    try:
        yield
    finally:
        connections.settings["default"] = former


def _migrate(url: str) -> None:
    with default_database(url), ThreadPoolExecutor(1) as thread:
        thread.submit(call_command, "migrate", verbosity=0).result()
        thread.submit(lambda: connection.close()).result()
