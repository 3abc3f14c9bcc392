"""The ledger of one client: what it was given, held against the feed's dense numbering."""

from __future__ import annotations

from dataclasses import dataclass, field

from transports.events import Cursor, Event


@dataclass
class Ledger:
    """Takes events in the order in which they came. `position` is where the client began.

    `lost` counts what was lost in silence: a `reset` that says how many are missing loses
    nothing, unless it is wrong about that, or could have said and does not: within one epoch
    the numbers do.
    """

    position: Cursor
    delivered: int = 0
    lost: int = 0
    duplicated: int = 0
    out_of_order: int = 0
    resets: int = 0
    missed: int = 0  # the sum of what the resets said
    uncounted: int = 0  # resets that could not say how much
    _holes: set[int] = field(default_factory=set, repr=False)

    def take(self, event: Event) -> None:
        cursor = event.cursor
        here = self.position.belongs_to(cursor.epoch)
        if event.type == "reset":
            self._take_reset(cursor, event.missed, here)
            return
        self.delivered += 1
        if not here:  # the numbering started over, and nobody said so
            self._give_up_holes()
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

    def _take_reset(self, cursor: Cursor, missed: int | None, here: bool) -> None:
        self._give_up_holes()
        self.resets += 1
        if missed is None:
            self.uncounted += 1
            self.lost += max(0, cursor.seq - self.position.seq) if here else 0
        else:
            self.missed += missed
            self.lost += abs(cursor.seq - self.position.seq - missed) if here else missed
        self.position = cursor

    def _give_up_holes(self) -> None:
        self.lost += len(self._holes)
        self._holes.clear()

    def close(self, head: Cursor) -> None:
        """Nothing more will come; `head` is the cursor of the feed's last event."""
        self._give_up_holes()
        begun = self.position.seq if self.position.belongs_to(head.epoch) else 0
        self.lost += abs(head.seq - begun)
        self.position = head

    @property
    def is_whole(self) -> bool:
        return not (self.lost or self.duplicated or self.out_of_order)
