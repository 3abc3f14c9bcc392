"""What was published against what arrived: no figure is worth anything without it."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Ledger:
    """Deliveries of events 0, 1, 2 …, of all subscribers together."""

    expected: int = 0
    received: int = 0
    lost: int = 0
    doubled: int = 0
    disordered: int = 0

    @classmethod
    def of(cls, published: int, received: Iterable[Sequence[int]]) -> Ledger:
        """`received` has, for each subscriber, the events' numbers as they arrived.

        A number that was never published counts as a double; one that is lower than another
        before it, and is no double, as disordered.
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
        return f"{self.lost} lost, {self.doubled} doubled, {self.disordered} out of order"


class Tally:
    """Counts deliveries as they come, and can be waited for."""

    def __init__(self) -> None:
        self.count = 0
        self.receipts = 0  # what was received at one time, and brought deliveries
        self._goal = 0
        self._reached = asyncio.Event()

    def add(self, deliveries: int) -> None:
        self.count += deliveries
        self.receipts += 1
        if self.count >= self._goal:
            self._reached.set()

    async def reach(self, goal: int, patience: float) -> bool:
        """Wait for `goal` deliveries in all; False once none has come for `patience` seconds."""
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
