"""A child process that is started again whenever it has ended, until it is told to stop."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
STOP = 8.0  # seconds in which a child has to have stopped: its own limit is five
# Seconds in which a repeated signal is the same one: a terminal sends Ctrl-C to a program and to
# the wrapper that started it, and the wrapper passes it on.
REPEATED = 0.3
BRIEF, PAUSE = 5.0, 1.0  # seconds: after a child that lived as briefly, such a pause


class ServerFailed(Exception):
    """The server does not start; it has said why itself."""


class Supervisor:
    """Runs `command`.

    `serving` returns once a child that has just been started serves; then `ready` is set.
    `farewell` is called before the child is asked to stop, `ended` when it has ended and is about
    to be started again.
    """

    def __init__(
        self,
        command: Sequence[str],
        *,
        say: Callable[[str], None],
        serving: Callable[[], Awaitable[None]],
        farewell: Callable[[], None],
        ended: Callable[[], None],
    ) -> None:
        self.command = command
        self.ready = asyncio.Event()
        self._say = say
        self._serving = serving
        self._farewell = farewell
        self._ended = ended
        self._child: asyncio.subprocess.Process | None = None
        self._restarting = False
        self._stopping = asyncio.Event()
        self._asked_to_stop = 0.0
        self._insisting: set[asyncio.Task[None]] = set()

    async def run(self, environment: Mapping[str, str]) -> None:
        """Return when the child has ended after `stop`. `environment` is added to this process's.

        Raises `ServerFailed` if a child ends before it is ready.
        """
        loop = asyncio.get_running_loop()
        while not self._stopping.is_set():
            began = loop.time()
            self.ready.clear()
            self._restarting = False
            self._child = await asyncio.create_subprocess_exec(
                *self.command,
                cwd=ROOT,
                env={**os.environ, **environment},
                stdin=asyncio.subprocess.DEVNULL,
                start_new_session=True,  # Ctrl-C is the parent's, which stops it in order
            )
            if self._stopping.is_set():  # told so while it was being started
                self._ask_to_stop()
            waiting = asyncio.create_task(self._wait_until_ready())
            code = await self._child.wait()
            waiting.cancel()
            _kill_group(self._child.pid)  # Granian's main process leaves its workers behind
            if self._stopping.is_set():
                return
            if not self.ready.is_set():
                raise ServerFailed(f"The server has ended, {ending(code)}, before it listened.")
            self._ended()
            if not self._restarting:
                self._say(f"The server has ended, {ending(code)}; it is started again.")
                if loop.time() - began < BRIEF:
                    with contextlib.suppress(TimeoutError):
                        await asyncio.wait_for(self._stopping.wait(), PAUSE)

    def stop(self) -> None:
        """Ask the child to stop, for good. A second time: end it at once."""
        if not self._stopping.is_set():
            self._stopping.set()
            self._asked_to_stop = time.monotonic()
            self._ask_to_stop()
        elif time.monotonic() - self._asked_to_stop > REPEATED:
            self._kill()

    def restart(self, *, kill: bool) -> None:
        """End the child, in order or by SIGKILL; `run` starts the next."""
        self._restarting = True
        if kill:
            self._kill()
        else:
            self._ask_to_stop()

    async def _wait_until_ready(self) -> None:
        await self._serving()
        self.ready.set()

    def _ask_to_stop(self) -> None:
        self._farewell()
        if self._child is not None and self._child.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                self._child.terminate()
            insisting = asyncio.get_running_loop().create_task(self._insist(self._child))
            self._insisting.add(insisting)
            insisting.add_done_callback(self._insisting.discard)

    async def _insist(self, child: asyncio.subprocess.Process) -> None:
        """End a child that has not stopped in the time that it has for it."""
        try:
            await asyncio.wait_for(child.wait(), STOP)
        except TimeoutError:
            _kill_group(child.pid)

    def _kill(self) -> None:
        if self._child is not None and self._child.returncode is None:
            _kill_group(self._child.pid)


def _kill_group(leader: int) -> None:
    """Kill what is left of the process group of `leader`, which began a session of its own."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(leader, signal.SIGKILL)


def ending(code: int) -> str:
    """How a process has ended, in words."""
    return f"exit code {code}" if code >= 0 else f"killed by {signal.Signals(-code).name}"
