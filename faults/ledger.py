"""Ledger of one client: counts of events that were lost, duplicated or out of order."""

from __future__ import annotations

from dataclasses import dataclass, field

from transports.events import Cursor, Event


@dataclass
class ClientLedger:
    """Counts of one client's events, by the feed's dense numbering.

    `position` is the cursor of the client: at first, the one it starts from. `lost` excludes the
    events that a `reset` counts as missed. If that count is wrong, it includes the difference; if
    a `reset` within one epoch has no count, it includes all of them.
    """

    position: Cursor
    delivered: int = 0
    lost: int = 0
    duplicated: int = 0
    out_of_order: int = 0
    resets: int = 0
    missed: int = 0  # events that the resets reported as missed
    uncounted: int = 0  # resets without a number of missed events
    _holes: set[int] = field(default_factory=set, repr=False)

    def take(self, event: Event) -> None:
        """Count the next event, in order of arrival."""
        cursor = event.cursor
        same_epoch = self.position.belongs_to(cursor.epoch)
        if event.type == "reset":
            self._take_reset(cursor, event.missed, same_epoch)
            return
        self.delivered += 1
        if not same_epoch:  # a new epoch without a reset
            self._count_holes_as_lost()
            self.position = Cursor(cursor.epoch, 0)
            self.lost += 1
        if cursor.seq > self.position.seq:
            self._holes.update(range(self.position.seq + 1, cursor.seq))
            self.position = cursor
        elif cursor.seq in self._holes:
            self._holes.remove(cursor.seq)
            self.out_of_order += 1
        else:
            self.duplicated += 1

    def _take_reset(self, cursor: Cursor, missed: int | None, same_epoch: bool) -> None:
        self._count_holes_as_lost()
        self.resets += 1
        if missed is None:
            self.uncounted += 1
            self.lost += max(0, cursor.seq - self.position.seq) if same_epoch else 0
        else:
            self.missed += missed
            self.lost += abs(cursor.seq - self.position.seq - missed) if same_epoch else missed
        self.position = cursor

    def _count_holes_as_lost(self) -> None:
        self.lost += len(self._holes)
        self._holes.clear()

    def close(self, head: Cursor) -> None:
        """Count the missing events up to `head`, the cursor of the feed's last event."""
        self._count_holes_as_lost()
        last = self.position.seq if self.position.belongs_to(head.epoch) else 0
        self.lost += abs(head.seq - last)
        self.position = head

    @property
    def is_whole(self) -> bool:
        return not (self.lost or self.duplicated or self.out_of_order)
