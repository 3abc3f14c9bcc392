"""A server of our own to measure, on a free port of this machine."""

from __future__ import annotations

import asyncio
import os
import re
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

from .workers import ROOT

APPLICATION = "realtime_demo.asgi:application"
START = 30.0  # seconds it may take to listen
STOP = 10.0
_LISTENING = re.compile(rb"Listening on (http://[^/\s]+)/")


class ServerFailed(Exception):
    """The server to measure did not start, or has ended."""


@asynccontextmanager
async def local_server(
    application: str = APPLICATION, environment: Mapping[str, str] | None = None
) -> AsyncIterator[tuple[str, int]]:
    """The base URL and the process id of a server, while the block lasts.

    Raises `ServerFailed`, with what the server has said.
    """
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "realtime_demo.server", "--port", "0", application),
        cwd=ROOT,
        env={**os.environ, **(environment or {})},
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
    )
    assert process.stderr is not None
    said: list[bytes] = []
    draining: asyncio.Task[None] | None = None
    try:
        url = ""
        try:
            async with asyncio.timeout(START):
                while not url and (line := await process.stderr.readline()):
                    said = [*said[-20:], line]
                    if match := _LISTENING.search(line):
                        url = match[1].decode()
        except TimeoutError:
            pass
        if not url:
            words = b"".join(said).decode("utf-8", "replace")
            raise ServerFailed(f"The server to measure does not listen. It said:\n{words}")
        draining = asyncio.create_task(_drain(process.stderr))
        yield url, process.pid
    finally:
        if process.returncode is None:
            process.terminate()
        try:
            async with asyncio.timeout(STOP):
                await process.wait()
        except TimeoutError:
            process.kill()
            await process.wait()
        if draining is not None:
            await draining


async def _drain(stream: asyncio.StreamReader) -> None:
    """Read on, so that the server never waits for a full pipe."""
    while await stream.read(65_536):
        pass
