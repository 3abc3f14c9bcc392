"""Ledgers: counts of deliveries that were lost, duplicated or out of order."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class DeliveryLedger:
    """Counts of a run's deliveries of events 0, 1, 2 …, over all subscribers."""

    expected: int = 0
    received: int = 0
    lost: int = 0
    doubled: int = 0
    disordered: int = 0

    @classmethod
    def of(cls, published: int, received: Iterable[Sequence[int]]) -> DeliveryLedger:
        """Compare the published events with each subscriber's event numbers, in order of arrival.

        A number that was not published counts as a duplicate; a number after a higher one, unless
        it is a duplicate, as out of order.
        """
        subscribers = [list(numbers) for numbers in received]
        complete = list(range(published))
        lost = doubled = disordered = 0
        for numbers in subscribers:
            if numbers == complete:
                continue
            seen: set[int] = set()
            highest = -1
            for number in numbers:
                if number in seen or not 0 <= number < published:
                    doubled += 1
                elif number < highest:
                    disordered += 1
                seen.add(number)
                highest = max(highest, number)
            lost += published - len(seen.intersection(complete))
        return cls(
            expected=published * len(subscribers),
            received=sum(map(len, subscribers)),
            lost=lost,
            doubled=doubled,
            disordered=disordered,
        )

    @property
    def clean(self) -> bool:
        return not (self.lost or self.doubled or self.disordered)

    def __str__(self) -> str:
        return f"{self.lost} lost, {self.doubled} duplicated, {self.disordered} out of order"


class Audited:
    """A run with a ledger, and the failures of its connections."""

    contestant: str
    ledger: DeliveryLedger
    failures: tuple[str, ...]

    @property
    def valid(self) -> bool:
        return self.ledger.clean and not self.failures


class Tally:
    """A counter of deliveries that callers can wait for."""

    def __init__(self) -> None:
        self.count = 0
        self.receipts = 0  # received chunks that contained deliveries
        self._goal = 0
        self._reached = asyncio.Event()

    def add(self, deliveries: int) -> None:
        self.count += deliveries
        self.receipts += 1
        if self.count >= self._goal:
            self._reached.set()

    async def reach(self, goal: int, patience: float) -> bool:
        """Wait for `goal` deliveries in all; return False after `patience` seconds without any."""
        self._goal = goal
        while self.count < goal:
            self._reached.clear()
            before = self.count
            try:
                async with asyncio.timeout(patience):
                    await self._reached.wait()
            except TimeoutError:
                if self.count == before:
                    return False
        return True
