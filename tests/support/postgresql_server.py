"""A real PostgreSQL server on a free port."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import psycopg

from .redis_server import free_port, missing
from .waiting import BOUND

INSTALL = "apt-get install postgresql"
USER = "realtime"


def executable(name: str) -> str:
    """Return the path of a PostgreSQL program. Debian keeps them out of PATH."""
    debian = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: path.parent.name)
    path = shutil.which(name, path=os.pathsep.join([os.environ["PATH"], *map(str, debian[::-1])]))
    if path is None:
        missing("PostgreSQL", INSTALL)
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
        initdb = executable("initdb")
        self.directory = tempfile.mkdtemp(prefix="postgresql-")
        try:
            if self.identity:
                shutil.chown(self.directory, "nobody", "nogroup")
            options = ["--no-sync", "--auth=trust", "--username", USER, "--encoding=UTF8"]
            subprocess.run(
                [initdb, *options, "--locale=C.UTF-8", "--pgdata", self.directory],
                cwd=self.directory,
                stdout=subprocess.DEVNULL,
                check=True,
                **self.identity,
            )
            self.start()
        except BaseException:
            shutil.rmtree(self.directory)
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stop()
        shutil.rmtree(self.directory)

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

    def stop(self) -> None:
        """End the server, and every connection, without waiting for the clients."""
        self.process.send_signal(signal.SIGINT)  # PostgreSQL's "fast shutdown"
        self.process.wait(BOUND)

    def execute(self, statement: str) -> list[tuple[Any, ...]]:
        """Return the rows of a statement, which is committed by itself."""
        with psycopg.connect(self.url(), autocommit=True) as connection:
            cursor = connection.execute(statement.encode())
            return cursor.fetchall() if cursor.description else []
