"""Leases of pages that run a scenario, and the settings from before the first lease."""

from __future__ import annotations

import time
from dataclasses import dataclass, field

from .state import FeedSettings, NetworkSettings

SECONDS = 4.0  # until a lease that is not renewed ends; pages renew it every 1.5 s


Saved = tuple[NetworkSettings, FeedSettings]  # restored; faults are ended instead


@dataclass
class Leases:
    """The pages that run scenarios, by name. `saved` is None while no page has a lease."""

    saved: Saved | None = None
    _ends: dict[str, float] = field(default_factory=dict)  # on `time.monotonic`, by page

    def renew(self, holder: str, current: Saved) -> None:
        """Begin or renew a lease; save the `current` settings if it is the first."""
        if not self._ends:
            self.saved = current
        self._ends[holder] = time.monotonic() + SECONDS

    def renew_all(self) -> None:
        """Renew every lease: while the server restarts, no page can."""
        self._ends = dict.fromkeys(self._ends, time.monotonic() + SECONDS)

    def end(self, holder: str) -> Saved | None:
        """End a lease; return the settings to restore if it was the last one."""
        if self._ends.pop(holder, None) is None or self._ends:
            return None
        saved, self.saved = self.saved, None
        return saved

    def end_expired(self) -> Saved | None:
        """End the leases that were not renewed; return what `end` returns."""
        now = time.monotonic()
        restored = None
        for holder in [holder for holder, end in self._ends.items() if end < now]:
            restored = self.end(holder)
        return restored
