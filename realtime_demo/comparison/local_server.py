"""A server process to measure, on a free port of this machine."""

from __future__ import annotations

import asyncio
import os
import tempfile
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from importlib.metadata import version

import httpx
from django.conf import settings

from realtime_demo.asgi_servers import APPLICATION, command, free_port

from .workers import ROOT

START = 30.0  # seconds until the server must respond
STOP = 10.0  # seconds until the server must have ended
PAUSE = 0.05  # seconds between two attempts to reach it


class ServerFailed(Exception):
    """The server to measure did not start, or ended early."""


def local_name(application: str) -> str:
    """Return the name and version of the local server, with its application."""
    return f"{settings.SERVER} {version(settings.SERVER)} ({application})"


@asynccontextmanager
async def local_server(
    application: str = APPLICATION, environment: Mapping[str, str] | None = None
) -> AsyncIterator[tuple[str, int]]:
    """Run the server of the setting SERVER for the block; yield its base URL and process id.

    Raises `ServerFailed` with the server's output, or for an unknown SERVER.
    """
    port = free_port()
    try:
        arguments = command(settings.SERVER, application=application, port=port)
    except ValueError as error:
        raise ServerFailed(str(error)) from error
    with tempfile.TemporaryFile() as output:
        process = await asyncio.create_subprocess_exec(
            *arguments,
            cwd=ROOT,
            env={**os.environ, **(environment or {})},
            stdin=asyncio.subprocess.DEVNULL,
            stdout=output,
            stderr=output,
        )
        url = f"http://127.0.0.1:{port}"
        try:
            if not await _responds(url, process):
                output.seek(0)
                text = output.read().decode("utf-8", "replace")
                raise ServerFailed(f"The server to measure does not start. Its output:\n{text}")
            yield url, process.pid
        finally:
            await _stop(process)


async def _responds(url: str, process: asyncio.subprocess.Process) -> bool:
    """Return whether the server responds in time, with whatever status."""
    try:
        async with asyncio.timeout(START), httpx.AsyncClient(trust_env=False) as http:
            while process.returncode is None:
                try:
                    await http.get(url)
                    return True
                except httpx.TransportError:
                    await asyncio.sleep(PAUSE)
    except TimeoutError:
        pass
    return False


async def _stop(process: asyncio.subprocess.Process) -> None:
    if process.returncode is None:
        process.terminate()
    try:
        async with asyncio.timeout(STOP):
            await process.wait()
    except TimeoutError:
        process.kill()
        await process.wait()
