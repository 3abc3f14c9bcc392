"""Processes for the experiments, and what an experiment has observed.

Servers, workers, Redis and nginx are started on first use.
"""

from __future__ import annotations

import asyncio
import os
import sys
import tempfile
import uuid
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import NamedTuple, Self
from urllib.parse import urlsplit

import httpx
from django.utils.translation import gettext

from realtime_demo.comparison.server import ROOT, local_server, server_process
from realtime_demo.ports import free_port
from realtime_demo.production import programs

BOUND = 15.0  # seconds until an expected answer must have arrived

NGINX = """
daemon off;
{user}
pid {folder}/nginx.pid;
error_log {folder}/error.log;
events {{ worker_connections 64; }}
http {{
    client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi; uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    access_log off;
    server {{
        listen 127.0.0.1:{port};
        location / {{
            proxy_pass http://{upstream};
        }}
        location /websocket/ {{
            proxy_pass http://{upstream};
            {forwarding}
        }}
    }}
}}
"""
FORWARDING = """proxy_http_version 1.1;
            proxy_set_header Upgrade $http_upgrade;
            proxy_set_header Connection "upgrade";"""


class Laboratory:
    """Processes for experiments; leaving the block stops them and removes their files.

    A running server or Redis can be given instead: `server_url` is a base URL, `redis_url` a
    Redis URL, and `database` the path of a migrated SQLite database.
    """

    def __init__(
        self, server_url: str = "", redis_url: str = "", database: Path | None = None
    ) -> None:
        self._server_url = server_url
        self._redis_url = redis_url
        self._database = database
        self._task_server_url = ""
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> Self:
        self._folder = Path(self._stack.enter_context(tempfile.TemporaryDirectory()))
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stack.aclose()

    async def server(self) -> str:
        """Return the base URL of a server without Redis."""
        if not self._server_url:
            environment = {"REDIS_URL": "", "DATABASE_PATH": str(self._folder / "none.sqlite3")}
            server = local_server(environment=environment)
            self._server_url, _ = await self._stack.enter_async_context(server)
        return self._server_url

    async def redis(self) -> str:
        """Return the URL of a Redis without persistence. Raises `programs.Missing`."""
        if not self._redis_url:
            port = free_port()
            options = ["--port", str(port), "--bind", "127.0.0.1", "--dir", str(self._folder)]
            command = [programs.redis_server(), *options, "--save", ""]
            await self._stack.enter_async_context(server_process(command, port))
            self._redis_url = f"redis://127.0.0.1:{port}/0"
        return self._redis_url

    @asynccontextmanager
    async def nginx(self, *, forwards_upgrade: bool) -> AsyncIterator[str]:
        """Run nginx in front of `server`; yield its base URL. Raises `programs.Missing`."""
        upstream = urlsplit(await self.server()).netloc
        with tempfile.TemporaryDirectory(dir=self._folder) as folder:
            port = free_port()
            configuration = NGINX.format(
                user="user root;" if os.getuid() == 0 else "",
                folder=folder,
                port=port,
                upstream=upstream,
                forwarding=FORWARDING if forwards_upgrade else "",
            )
            file = Path(folder) / "nginx.conf"
            file.write_text(configuration)
            command = [programs.nginx(), "-p", folder, "-e", f"{folder}/error.log", "-c", str(file)]
            async with server_process(command, port):
                yield f"http://127.0.0.1:{port}"

    async def task_server(self) -> str:
        """Return the base URL of a server with Redis and a database, without a worker."""
        if not self._task_server_url:
            environment = await self._task_environment()
            server = local_server(environment=environment)
            self._task_server_url, _ = await self._stack.enter_async_context(server)
        return self._task_server_url

    @asynccontextmanager
    async def worker(self) -> AsyncIterator[None]:
        """Run `manage.py runworker background-tasks` beside `task_server`."""
        command = [sys.executable, "manage.py", "runworker", "background-tasks"]
        async with server_process(command, 0, await self._task_environment()):
            yield

    async def _task_environment(self) -> dict[str, str]:
        if self._database is None:
            self._database = self._folder / "tasks.sqlite3"
            migration = await asyncio.create_subprocess_exec(
                *[sys.executable, "manage.py", "migrate", "--verbosity", "0"],
                cwd=ROOT,
                env={**os.environ, "DATABASE_PATH": str(self._database)},
            )
            if await migration.wait():
                raise RuntimeError(gettext("The migration of the experiment's database failed."))
        return {
            "DATABASE_PATH": str(self._database),
            "REDIS_URL": await self.redis(),
            "REDIS_PREFIX": f"notes-{os.getpid()}",
            "DEMO": "1",  # clients on this machine may start tasks
            "TASK_SWEEP": "0.5",
        }


class Sentence(NamedTuple):
    """A message id with placeholders such as `{count}`, and their values, ready to print.

    A record in JSON has the pair.
    """

    text: str
    values: Mapping[str, str | int]

    def __str__(self) -> str:
        return gettext(self.text).format(**self.values)


class Observation:
    """What an experiment observed; `confirms` tells whether it supports the verdict."""

    def __init__(self) -> None:
        self.sentences: list[Sentence] = []
        self.confirms = True

    def add(self, text: str, **values: str | int) -> None:
        """Add a sentence; `text` is a message id marked by `gettext_noop`."""
        self.sentences.append(Sentence(text, values))

    def expect(self, condition: bool) -> None:
        """Contradict the verdict unless `condition` is true."""
        self.confirms = self.confirms and condition


def http_client(url: str) -> httpx.AsyncClient:
    return httpx.AsyncClient(base_url=url, trust_env=False, timeout=BOUND)


def new_room() -> str:
    return f"notes-{uuid.uuid4().hex[:8]}"
