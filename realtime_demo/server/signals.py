"""SIGTERM and SIGINT: the first asks for an orderly stop, a second one ends the process."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable
from types import FrameType

STOPPING = (signal.SIGTERM, signal.SIGINT)
# Seconds in which a repeated signal is the same one: a terminal sends Ctrl-C to a program and
# to the wrapper that started it, and the wrapper passes it on.
REPEATED = 0.3
TURN = 0.05  # seconds


class StopSignals:
    """Call `stop(signal_number)` at the first signal; at a second one, die of it.

    Handlers can only be installed in the main thread; `install` does nothing in another.
    """

    def __init__(self, stop: Callable[[int], None]) -> None:
        self._stop = stop
        self._first: float | None = None

    def install(self) -> None:
        if threading.current_thread() is threading.main_thread():
            for number in STOPPING:
                signal.signal(number, self._received)

    def _received(self, number: int, frame: FrameType | None) -> None:
        if self._first is None:
            self._first = time.monotonic()
            self._stop(number)
        elif time.monotonic() - self._first > REPEATED:
            signal.signal(number, signal.SIG_DFL)
            os.kill(os.getpid(), number)


def exit_within(seconds: float) -> None:
    """End the process with code 0 after `seconds`, whatever still holds it.

    The interpreter waits for every thread of a thread pool when it exits, and synchronous
    application code may sit in one for as long as it likes. As the stop itself, it counts turns: a
    process that gets no CPU for a while has not used its time, nor told its clients.
    """

    def leave() -> None:
        for _ in range(round(seconds / TURN)):
            time.sleep(TURN)
        os._exit(0)

    threading.Thread(target=leave, name="exit", daemon=True).start()
