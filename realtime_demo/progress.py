"""Progress of commands that take longer than two seconds."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.text import Text

INTERVAL = 5.0  # seconds between lines


@contextmanager
def progress(console: Console, interval: float = INTERVAL) -> Iterator[Callable[[str], None]]:
    """Yield a function that shows the present step, for the block.

    On a terminal, a line with a spinner. Elsewhere, a line on stderr for each step, and one with
    the step's seconds every `interval` seconds.
    """
    if console.is_terminal:
        with console.status("") as status:
            yield lambda step: status.update(Text(step))
        return
    began: float | None = None  # the present step
    ended = threading.Event()

    def begin(step: str) -> None:
        nonlocal began
        print(step, file=sys.stderr, flush=True)
        began = time.monotonic()

    def repeat() -> None:
        while not ended.wait(interval):
            if began is not None:
                print(f"… {time.monotonic() - began:.0f} s", file=sys.stderr, flush=True)

    thread = threading.Thread(target=repeat, daemon=True)
    thread.start()
    try:
        yield begin
    finally:
        ended.set()
        thread.join()
