"""A supervisor of a child process, which restarts it until `stop`."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path

from django.utils.translation import gettext as _

ROOT = Path(__file__).resolve().parent.parent.parent
STOP = 8.0  # seconds until a stopping child is killed: its own limit is five
# Seconds in which a second `stop` counts as the first: a terminal sends Ctrl-C to a program and to
# the wrapper that started it, and the wrapper passes it on.
REPEATED = 0.3
BRIEF, PAUSE = 5.0, 1.0  # seconds: PAUSE before a restart if the child ran for less than BRIEF


class ChildFailed(Exception):
    """The server did not start; it has printed the reason."""


class Supervisor:
    """A supervisor of the child process that runs `command`.

    `serving` returns once a started child serves; then `ready` is set. `before_stop` is called
    before the child is asked to stop, `ended` when it has ended and is about to be restarted.
    """

    def __init__(
        self,
        command: Sequence[str],
        *,
        write: Callable[[str], None],
        serving: Callable[[], Awaitable[None]],
        before_stop: Callable[[], None],
        ended: Callable[[], None],
    ) -> None:
        self.command = command
        self.ready = asyncio.Event()
        self._write = write
        self._serving = serving
        self._before_stop = before_stop
        self._ended = ended
        self._child: asyncio.subprocess.Process | None = None
        self._restarting = False
        self._stopping = asyncio.Event()
        self._stopping_since = 0.0  # on the monotonic clock

    async def run(self, environment: Mapping[str, str]) -> None:
        """Run the child until it ends after `stop`. `environment` is added to this process's.

        Raise `ChildFailed` if a child ends before it is ready.
        """
        loop = asyncio.get_running_loop()
        while not self._stopping.is_set():
            started_at = loop.time()
            self.ready.clear()
            self._restarting = False
            self._child = await asyncio.create_subprocess_exec(
                *self.command,
                cwd=ROOT,
                env={**os.environ, **environment},
                stdin=asyncio.subprocess.DEVNULL,
                start_new_session=True,  # Ctrl-C reaches the parent alone, which stops the child
            )
            if self._stopping.is_set():  # `stop` was called while the child was being started
                self._ask_to_stop()
            readiness = asyncio.create_task(self._wait_until_ready())
            code = await self._child.wait()
            readiness.cancel()
            _kill_group(self._child.pid)  # Granian's main process leaves its workers behind
            if self._stopping.is_set():
                return
            if not self.ready.is_set():
                text = _("The server ended ({reason}) before it listened.")
                raise ChildFailed(text.format(reason=ending(code)))
            self._ended()
            if not self._restarting:
                text = _("The server ended ({reason}); restarting it.")
                self._write(text.format(reason=ending(code)))
                if loop.time() - started_at < BRIEF:
                    with contextlib.suppress(TimeoutError):
                        await asyncio.wait_for(self._stopping.wait(), PAUSE)

    def stop(self) -> None:
        """Ask the child to stop, and do not restart it. A second call kills it."""
        if not self._stopping.is_set():
            self._stopping.set()
            self._stopping_since = time.monotonic()
            self._ask_to_stop()
        elif time.monotonic() - self._stopping_since > REPEATED:
            _kill(self._child)

    def restart(self, *, kill: bool) -> None:
        """End the child by SIGTERM or SIGKILL; `run` starts the next."""
        self._restarting = True
        if kill:
            _kill(self._child)
        else:
            self._ask_to_stop()

    async def _wait_until_ready(self) -> None:
        await self._serving()
        self.ready.set()

    def _ask_to_stop(self) -> None:
        self._before_stop()
        if self._child is not None and self._child.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                self._child.terminate()
            asyncio.get_running_loop().call_later(STOP, _kill, self._child)


def _kill(child: asyncio.subprocess.Process | None) -> None:
    if child is not None and child.returncode is None:
        _kill_group(child.pid)


def _kill_group(leader: int) -> None:
    """Kill the remaining processes of the group of `leader`."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(leader, signal.SIGKILL)


def ending(code: int) -> str:
    """Return a description of an exit status."""
    if code >= 0:
        return _("exit code {code}").format(code=code)
    return _("killed by {signal}").format(signal=signal.Signals(-code).name)
