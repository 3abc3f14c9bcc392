"""`manage.py demo` in a process of its own, and a page that controls it."""

from __future__ import annotations

import re
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import psutil

from .live import SERVER_ENVIRONMENT
from .program import ROOT, Program
from .waiting import BOUND

ADDRESS = re.compile(r"Realtime Demo: (http://127\.0\.0\.1:\d+(?:/\w+)?)/")


class Demo(Program):
    """A `manage.py demo --port 0 --no-browser [arguments]`, while the block lasts.

    `env` is added to its environment, which is the tests' own (HEARTBEAT is 15 s there).
    Leaving the block stops it as Ctrl-C does.
    """

    def __init__(
        self,
        folder: Path,
        *arguments: str,
        env: Mapping[str, str] | None = None,
        source: Path = ROOT,
    ) -> None:
        database = {"DATABASE_PATH": str(folder / "db.sqlite3")}
        super().__init__(
            [sys.executable, "manage.py", "demo", "--port", "0", "--no-browser", *arguments],
            ADDRESS,
            {**SERVER_ENVIRONMENT, **database, **(env or {})},
            start=BOUND,
            stop=BOUND,
            folder=source,
        )

    def started(self, match: re.Match[str]) -> None:
        self.url = match[1]

    @property
    def child(self) -> psutil.Process:
        """Return the server's process."""
        (child,) = psutil.Process(self.process.pid).children()
        return child

    @property
    def child_port(self) -> int:
        """Return the server's port, behind the tap."""
        (port,) = [
            connection.laddr.port
            for connection in self.child.net_connections("tcp")
            if connection.status == psutil.CONN_LISTEN
        ]
        return int(port)

    @asynccontextmanager
    async def page(self) -> AsyncIterator[Page]:
        """Yield a page that may control the demo."""
        async with httpx.AsyncClient(base_url=self.url, timeout=BOUND) as http:
            assert (await http.get("/")).status_code == 200
            yield Page(http, self.url)


class Page:
    """A client with the cookie, token and Origin that the controls require."""

    def __init__(self, http: httpx.AsyncClient, url: str) -> None:
        self.http = http
        origin = str(httpx.URL(url).copy_with(path="/")).rstrip("/")
        self.headers = {"Origin": origin, "X-CSRFToken": http.cookies["csrftoken"]}

    async def post(self, control: str, **document: Any) -> dict[str, Any]:
        """Post `document` to the control, which must accept it; return its response."""
        response = await self.http.post(f"/stage/{control}/", json=document, headers=self.headers)
        assert response.is_success, response.text
        return dict(response.json())

    async def state(self) -> dict[str, Any]:
        return dict((await self.http.get("/stage/")).json())

    async def publish(self, room: str, text: str = "text") -> dict[str, Any]:
        """Publish a message; return its event."""
        document = {"sender": "ada", "text": text}
        response = await self.http.post(f"/publish/{room}/", json=document)
        assert response.status_code == 201, response.text
        return dict(response.json())
