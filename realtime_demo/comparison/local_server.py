"""A server process to measure, on a free port of this machine."""

from __future__ import annotations

import asyncio
import os
import tempfile
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from importlib.metadata import version

from django.conf import settings
from django.utils.translation import gettext as _

from realtime_demo.asgi_servers import APPLICATION, command
from realtime_demo.ports import free_port

from .workers import ROOT

START = 30.0  # seconds until the server must accept connections
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

    `environment` is added to this process's.
    Raises `ServerFailed` with the server's output, or for an unknown SERVER.
    """
    port = free_port()
    try:
        arguments = command(settings.SERVER, application=application, port=port)
    except ValueError as error:
        raise ServerFailed(str(error)) from error
    async with server_process(arguments, port, environment) as pid:
        yield f"http://127.0.0.1:{port}", pid


@asynccontextmanager
async def server_process(
    arguments: Sequence[str],
    port: int,
    environment: Mapping[str, str] | None = None,
    forked: Callable[[int], None] = lambda pid: None,
) -> AsyncIterator[int]:
    """Run the command `arguments` for the block; yield its process id.

    The block is entered once it listens on `port`, or at once if that is 0. `environment`
    is added to this process's. `forked` is called with the process id at once.
    Raises `ServerFailed` with the server's output.
    """
    with tempfile.TemporaryFile() as output:
        process = await asyncio.create_subprocess_exec(
            *arguments,
            cwd=ROOT,
            env={**os.environ, **(environment or {})},
            stdin=asyncio.subprocess.DEVNULL,
            stdout=output,
            stderr=output,
        )
        try:
            forked(process.pid)
            if port and not await _listens(process, port):
                output.seek(0)
                printed = output.read().decode("utf-8", "replace")
                text = _("The server to measure does not start: {arguments}\n{printed}")
                raise ServerFailed(text.format(arguments=" ".join(arguments), printed=printed))
            yield process.pid
        finally:
            await _stop(process)


async def _listens(process: asyncio.subprocess.Process, port: int) -> bool:
    deadline = asyncio.get_running_loop().time() + START
    while process.returncode is None and asyncio.get_running_loop().time() < deadline:
        try:
            _, writer = await asyncio.open_connection("127.0.0.1", port)
        except OSError:
            await asyncio.sleep(PAUSE)
        else:
            writer.close()
            return True
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
