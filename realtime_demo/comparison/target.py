"""The server under measurement, and what of it has to be known beforehand."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field

from .clock import Clock
from .host import cpu_seconds
from .workers import Child

PROBES = 10  # publishes, of which the quickest tells the clocks apart
BASELINE = 40  # events published to nobody, to know what publishing alone costs


@dataclass
class Target:
    """The server under measurement. `pid` is None for one that is not ours to look into."""

    url: str
    pid: int | None = None
    tapped: bool = True
    publish_path: str = "/publish/{room}/"
    clock: Clock = field(default_factory=Clock)
    publish_cpu: float | None = None  # server seconds for one publish with nobody there

    def cpu(self) -> float | None:
        """CPU seconds it has had; None where that cannot be known."""
        return None if self.pid is None else cpu_seconds(self.pid)

    async def calibrate(self, load: Child, size: int, same_host: bool) -> None:
        """Find the server's clock, and what publishing an event of `size` characters costs."""
        room = f"calibrate-{secrets.token_hex(4)}"
        probes = [
            await load.ask("probe", room=room, index=-1 - number, size=size)
            for number in range(PROBES)
        ]
        self.clock = Clock.of(probes, same_host)
        before = self.cpu()
        if before is None:
            return
        for number in range(BASELINE):
            await load.ask("probe", room=room, index=-1 - number, size=size)
        after = self.cpu()
        self.publish_cpu = None if after is None else (after - before) / BASELINE
