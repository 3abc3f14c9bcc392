"""The ledger: what was sent, and what each client made of it. It comes before any delay."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple


class Sent(NamedTuple):
    """An event that the server has accepted. Times in seconds; see `clock.Clock`."""

    number: int
    intended: float
    actual: float
    published: float  # as the server says, brought to the publisher's clock
    acknowledged: float
    seq: int


class Sample(NamedTuple):
    """One delivery: event `number` reached `client` at `received`."""

    client: int
    number: int
    received: float


@dataclass(frozen=True)
class Ledger:
    """Deliveries: one event to one client counts once in each column it belongs to.

    `sent` is events that the server accepted times clients, `refused` those that it did not;
    `received` distinct deliveries; `lost` = `sent` - `received`; `doubled` deliveries beyond the
    first; `disordered` first deliveries behind one with a later seq.
    """

    sent: int = 0
    received: int = 0
    lost: int = 0
    doubled: int = 0
    disordered: int = 0
    refused: int = 0

    @property
    def complete(self) -> bool:
        return not (self.lost or self.doubled or self.disordered or self.refused)

    @classmethod
    def of(
        cls, sent: Sequence[Sent], samples: Iterable[Sample], clients: int, refused: int = 0
    ) -> Ledger:
        """`samples` in the order in which each client received them; `refused` in events."""
        order: Mapping[int, int] = {event.number: event.seq for event in sent}
        seen: Counter[tuple[int, int]] = Counter()
        latest: dict[int, int] = {}
        disordered = 0
        for sample in samples:
            seq = order.get(sample.number)
            if seq is None:
                continue  # warm-up, or published by someone else
            seen[sample.client, sample.number] += 1
            if seen[sample.client, sample.number] == 1:
                disordered += seq < latest.get(sample.client, 0)
                latest[sample.client] = max(seq, latest.get(sample.client, 0))
        due = len(sent) * clients
        return cls(
            sent=due,
            received=len(seen),
            lost=due - len(seen),
            doubled=seen.total() - len(seen),
            disordered=disordered,
            refused=refused * clients,
        )


def first_deliveries(samples: Iterable[Sample]) -> dict[int, list[Sample]]:
    """Each event's first delivery to each client, by the event's number."""
    seen: set[tuple[int, int]] = set()
    found: dict[int, list[Sample]] = {}
    for sample in samples:
        if (sample.client, sample.number) not in seen:
            seen.add((sample.client, sample.number))
            found.setdefault(sample.number, []).append(sample)
    return found
