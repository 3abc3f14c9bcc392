"""Real PostgreSQL servers on free ports: one alone, or one with a standby."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any, Self

import psycopg

from realtime_demo.ports import free_port

from .program import missing
from .waiting import BOUND

USER = "realtime"


def executable(name: str) -> str:
    """Return the path of a PostgreSQL program. Debian keeps them out of PATH."""
    debian = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: path.parent.name)
    path = shutil.which(name, path=os.pathsep.join([os.environ["PATH"], *map(str, debian[::-1])]))
    if path is None:
        missing("PostgreSQL is missing; to install it: apt-get install postgresql")
    return str(path)


class PostgreSQLServer:
    """A `postgres` without durability, while the block lasts; it can be stopped and started.

    PostgreSQL rejects root: as root, it runs as the user `nobody`.
    """

    def __init__(self, *arguments: str) -> None:
        self.arguments = arguments
        self.port = free_port()
        self.identity: dict[str, Any] = (
            {"user": "nobody", "group": "nogroup", "extra_groups": []} if os.getuid() == 0 else {}
        )

    def url(self, database: str = "postgres") -> str:
        return f"postgres://{USER}@127.0.0.1:{self.port}/{database}"

    def __enter__(self) -> Self:
        executable("initdb")  # skip the test without PostgreSQL, before there is a directory
        self.directory = tempfile.mkdtemp(prefix="postgresql-")
        try:
            if self.identity:
                shutil.chown(self.directory, "nobody", "nogroup")
            self.fill()
            self.start()
        except BaseException:
            shutil.rmtree(self.directory)
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
        shutil.rmtree(self.directory)

    def fill(self) -> None:
        """Put a new database into the directory."""
        options = ["--auth=trust", "--username", USER, "--encoding=UTF8", "--locale=C.UTF-8"]
        self.run("initdb", "--no-sync", *options)

    def run(self, program: str, *arguments: str) -> None:
        """Run a program of PostgreSQL on the directory."""
        subprocess.run(
            [executable(program), "--pgdata", self.directory, *arguments],
            cwd=self.directory,
            stdout=subprocess.DEVNULL,
            check=True,
            **self.identity,
        )

    def start(self) -> None:
        self.process = subprocess.Popen(
            [
                *(executable("postgres"), "-D", self.directory, "-p", str(self.port)),
                *("-c", "listen_addresses=127.0.0.1", "-c", "unix_socket_directories="),
                *("-c", "fsync=off", "-c", "shared_buffers=16MB", *self.arguments),
            ],
            cwd=self.directory,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            **self.identity,
        )
        deadline = time.monotonic() + BOUND
        while True:
            try:
                psycopg.connect(self.url(), connect_timeout=5).close()
                return
            except psycopg.OperationalError:
                if time.monotonic() > deadline or self.process.poll() is not None:
                    raise
                time.sleep(0.05)

    def stop(self, number: int = signal.SIGINT) -> None:
        """End the server, and every connection, without waiting for the clients.

        SIGINT is PostgreSQL's "fast shutdown"; SIGQUIT its "immediate shutdown", as in a crash.
        """
        self.process.send_signal(number)
        self.process.wait(BOUND)

    def execute(self, statement: str) -> list[tuple[Any, ...]]:
        """Return the rows of a statement, which is committed by itself."""
        with psycopg.connect(self.url(), autocommit=True) as connection:
            cursor = connection.execute(statement.encode())
            return cursor.fetchall() if cursor.description else []


class Standby(PostgreSQLServer):
    """A hot standby of `primary`, until promoted; each commit waits for it."""

    def __init__(self, primary: PostgreSQLServer) -> None:
        super().__init__("-c", "wal_retrieve_retry_interval=100ms")
        self.primary = primary

    def fill(self) -> None:
        """Copy the primary, and follow it."""
        options = ["--write-recovery-conf", "--checkpoint=fast", "--no-sync"]
        self.run("pg_basebackup", *options, "--dbname", self.primary.url())

    def __enter__(self) -> Self:
        super().__enter__()
        self.primary.execute("ALTER SYSTEM SET synchronous_standby_names = '*'")
        self.primary.execute("SELECT pg_reload_conf()")
        return self

    def promote(self) -> None:
        self.run("pg_ctl", "promote", "--silent")
