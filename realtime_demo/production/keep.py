"""Keep one process running: start it again when it dies, stop it when it is its turn.

    python -m realtime_demo.production.keep NAME --run DIRECTORY [--after OTHER]… -- COMMAND…

SIGTERM stops it, and so does the end of whoever runs all of them (`owner`); but only once every
process named with `--after` has ended: clients are told of the end by servers that still reach
them through nginx and still have their Redis. Each keeper holds a lock on `DIRECTORY/NAME.lock` as
long as it lives, however it ends.
"""

from __future__ import annotations

import argparse
import contextlib
import ctypes
import fcntl
import os
import shlex
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import IO, Any

from .owner import end_with_owner

PAUSE = (0.2, 5.0)  # seconds before it is started again: the first time, and the most
STEADY = 10.0  # seconds of running after which a death is a first one again
HOPELESS = 6  # deaths in a row after which it is given up
PATIENCE = 8.0  # seconds that it is given to end in order; a server takes less than five
PR_SET_PDEATHSIG = 1  # prctl(2)


class Keeper:
    def __init__(self, name: str, command: list[str], run: Path, after: list[str]) -> None:
        self.name = name
        self.command = command
        self.run = run
        self.after = after
        self.stopping = threading.Event()
        self.its_turn = threading.Event()
        self.child: subprocess.Popen[bytes] | None = None

    def keep(self) -> int:
        """Run until stopped, or until there is no hope; return an exit code."""
        lock = _lock_file(self.run, self.name)
        fcntl.flock(lock, fcntl.LOCK_EX)
        signal.signal(signal.SIGTERM, self._stop)
        signal.signal(signal.SIGINT, self._stop)
        end_with_owner(self.run)
        deaths = 0
        while not self.stopping.is_set():
            began = time.monotonic()
            # A session of its own: a signal to this process's group is not for it yet.
            self.child = subprocess.Popen(
                self.command, start_new_session=True, preexec_fn=_die_with_parent
            )
            if self.its_turn.is_set():  # while it was being started
                threading.Thread(target=self._end_child, daemon=True).start()
            code = self.child.wait()
            _kill_what_is_left(self.child.pid)
            if self.stopping.is_set():
                break
            deaths = 1 if time.monotonic() - began > STEADY else deaths + 1
            if deaths >= HOPELESS:
                print(f"{self.name} ended with {code}, {deaths} times in a row: giving up.")
                return 1
            pause = min(PAUSE[1], PAUSE[0] * 2.0 ** (deaths - 1))
            print(f"{self.name} ended with {code}; starting it again in {pause:g} s.", flush=True)
            self.stopping.wait(pause)
        return 0

    def _stop(self, number: int, frame: Any) -> None:
        if not self.stopping.is_set():
            self.stopping.set()
            threading.Thread(target=self._end, daemon=True).start()

    def _end(self) -> None:
        for other in self.after:
            with _lock_file(self.run, other) as lock:
                fcntl.flock(lock, fcntl.LOCK_SH)  # returns when its keeper is gone
        self.its_turn.set()
        self._end_child()

    def _end_child(self) -> None:
        child = self.child
        if child is None:
            return
        child.terminate()
        try:
            child.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            print(f"{self.name} did not end in {PATIENCE:g} s: killing it.", flush=True)
            child.kill()


def command_line(name: str, command: list[str], run: Path, after: list[str]) -> str:
    """The shell command that keeps `command`."""
    words = [sys.executable, "-m", __name__, name, "--run", str(run)]
    for other in after:
        words += ["--after", other]
    return "exec " + shlex.join([*words, "--", *command])


def _lock_file(run: Path, name: str) -> IO[str]:
    return open(run / f"{name}.lock", "w")


def _kill_what_is_left(group: int) -> None:
    """nginx's workers outlive a master that was killed, and hold its port."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(group, signal.SIGKILL)


def _die_with_parent() -> None:
    """Linux ends the child when a keeper is killed; elsewhere it is left behind."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


def main() -> int:
    parser = argparse.ArgumentParser(description="Keep one process running.")
    parser.add_argument("name")
    parser.add_argument("--run", type=Path, required=True, help="the directory of the locks")
    parser.add_argument("--after", action="append", default=[], help="stop when this has ended")
    parser.add_argument("command", nargs="+")
    options = parser.parse_args()
    return Keeper(options.name, options.command, options.run, options.after).keep()


if __name__ == "__main__":
    sys.exit(main())
