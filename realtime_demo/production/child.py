"""A launcher that prevents orphaned processes.

    python -m realtime_demo.production.child PID_FILE COMMAND…

It covers two cases that supervisord does not handle: processes that outlive their killed parent
(nginx's workers, which keep the port), and a supervisord that is itself killed.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys
import time
from pathlib import Path

PARENT = "PRODUCTION_PARENT"  # environment variable
PR_SET_PDEATHSIG = 1  # prctl(2)
PAUSE = 0.05  # seconds between checks whether a process group has ended


def end_group(pid_file: Path, patience: float = 0) -> None:
    """End the process group whose leader wrote `pid_file`: SIGTERM, then SIGKILL.

    SIGKILL follows after `patience` seconds; 0: at once, without SIGTERM.
    """
    try:
        group = int(pid_file.read_text())
    except (FileNotFoundError, ValueError):
        return
    deadline = time.monotonic() + patience
    try:
        os.killpg(group, signal.SIGTERM if patience else signal.SIGKILL)
        while time.monotonic() < deadline:
            os.killpg(group, 0)
            time.sleep(PAUSE)
        os.killpg(group, signal.SIGKILL)
    except ProcessLookupError:
        pass


def end_with_parent() -> None:
    """On Linux, receive SIGTERM when the parent ends; other systems do not support this.

    Exit if the parent, whose process id is in `PARENT`, has ended before the call.
    """
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
    if os.getppid() != int(os.environ[PARENT]):
        sys.exit(1)


def main() -> None:
    pid_file, *command = sys.argv[1:]
    end_with_parent()
    end_group(Path(pid_file))
    Path(pid_file).write_text(str(os.getpid()))
    os.environ[PARENT] = str(os.getpid())  # if this becomes supervisord: the parent of its programs
    os.execvp(command[0], command)


if __name__ == "__main__":
    main()
