"""Honcho's manager, which may be interrupted before it has started everything."""

from __future__ import annotations

import os

from honcho.manager import Manager


class Parts(Manager):  # type: ignore[misc]
    """Honcho ends what it knows the process id of, and fails at a part that has none yet.

    Ctrl-C reaches the processes too that it forks, one for each part; until those ignore it they
    have their parent's handlers.
    """

    def __init__(self) -> None:
        super().__init__()
        self._process_id = os.getpid()
        self._is_wanted = False

    def terminate(self) -> None:
        if os.getpid() != self._process_id:
            return
        self._is_wanted = True
        if super()._all_started():
            super().terminate()

    def _all_started(self) -> bool:
        started: bool = super()._all_started()
        if started and self._is_wanted:
            super().terminate()
        return started
