"""The server to measure: its process on this machine, its clock, and its use of CPU and memory."""

from __future__ import annotations

import asyncio
import math
import os
import secrets
import statistics
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from importlib.metadata import version
from pathlib import Path

from django.conf import settings
from django.utils.translation import gettext as _

from realtime_demo.asgi_servers import APPLICATION, command
from realtime_demo.ports import free_port

from .host import cpu_seconds, resident_bytes
from .load import Accepted, Publisher
from .workers import Worker

ROOT = Path(__file__).resolve().parent.parent.parent
START = 30.0  # seconds until the server must accept connections
STOP = 10.0  # seconds until the server must have ended
PAUSE = 0.05  # seconds between two attempts to reach it
PROBES = 10  # publishes, of which the one with the shortest round trip gives the clocks' offset
BASELINE = 40  # events published without subscribers, to measure the cost of publishing


class ServerFailed(Exception):
    """The server to measure did not start, or ended early."""


def local_name(application: str) -> str:
    """Return the name and version of the local server, with its application."""
    return f"{settings.SERVER} {version(settings.SERVER)} ({application})"


@asynccontextmanager
async def local_server(
    application: str = APPLICATION, environment: Mapping[str, str] | None = None
) -> AsyncIterator[tuple[str, int]]:
    """Run the server of the setting SERVER for the block; yield its base URL and process id.

    `environment` is added to this process's.
    Raises `ServerFailed` with the server's output, or for an unknown SERVER.
    """
    port = free_port()
    try:
        arguments = command(settings.SERVER, application=application, port=port)
    except ValueError as error:
        raise ServerFailed(str(error)) from error
    async with server_process(arguments, port, environment) as pid:
        yield f"http://127.0.0.1:{port}", pid


@asynccontextmanager
async def server_process(
    arguments: Sequence[str],
    port: int,
    environment: Mapping[str, str] | None = None,
    forked: Callable[[int], None] = lambda pid: None,
) -> AsyncIterator[int]:
    """Run the command `arguments` for the block; yield its process id.

    The block is entered once it listens on `port`, or at once if that is 0. `environment`
    is added to this process's. `forked` is called with the process id at once.
    Raises `ServerFailed` with the server's output.
    """
    with tempfile.TemporaryFile() as output:
        process = await asyncio.create_subprocess_exec(
            *arguments,
            cwd=ROOT,
            env={**os.environ, **(environment or {})},
            stdin=asyncio.subprocess.DEVNULL,
            stdout=output,
            stderr=output,
        )
        try:
            forked(process.pid)
            if port and not await _listens(process, port):
                output.seek(0)
                printed = output.read().decode("utf-8", "replace")
                text = _("The server to measure does not start: {arguments}\n{printed}")
                raise ServerFailed(text.format(arguments=" ".join(arguments), printed=printed))
            yield process.pid
        finally:
            await _stop(process)


async def _listens(process: asyncio.subprocess.Process, port: int) -> bool:
    deadline = asyncio.get_running_loop().time() + START
    while process.returncode is None and asyncio.get_running_loop().time() < deadline:
        try:
            _, writer = await asyncio.open_connection("127.0.0.1", port)
        except OSError:
            await asyncio.sleep(PAUSE)
        else:
            writer.close()
            return True
    return False


async def _stop(process: asyncio.subprocess.Process) -> None:
    if process.returncode is None:
        process.terminate()
    try:
        async with asyncio.timeout(STOP):
            await process.wait()
    except TimeoutError:
        process.kill()
        await process.wait()


# --- Its clock and costs ------------------------------------------------------------------


def wall_zero() -> float:
    """Return the wall clock's time at the monotonic clock's 0, in Unix seconds."""
    before = time.monotonic()
    wall = time.time()
    return wall - (before + time.monotonic()) / 2


@dataclass(frozen=True)
class Clock:
    """The server's wall clock minus this host's: `offset` ± `uncertainty`, in seconds.

    An asymmetric path adds half its asymmetry to the offset. An exchange of messages cannot
    detect that; half the round trip bounds it.
    """

    offset: float = 0.0
    uncertainty: float = 0.0
    zero: float = field(default_factory=wall_zero)

    @classmethod
    def of(cls, probes: Sequence[Accepted]) -> Clock:
        """Estimate the offset from the publish with the shortest round trip.

        It waited in the fewest queues (Cristian, Distributed Computing 3, 1989).
        """
        clock = cls()
        usable = [(p.acknowledged - p.sent, p) for p in probes if p.published_at is not None]
        if not usable:
            return clock
        round_trip, best = min(usable, key=lambda pair: pair[0])
        middle = (best.acknowledged + best.sent) / 2 + clock.zero
        return replace(
            clock, offset=(best.published_at or 0.0) - middle, uncertainty=round_trip / 2
        )

    def published(self, event: Accepted) -> float:
        """Return when the server published `event`, on this host's monotonic clock.

        The time of sending if the server did not report one.
        """
        if event.published_at is None:
            return event.sent
        return event.published_at - self.offset - self.zero

    @property
    def stepped(self) -> float:
        """Seconds by which the wall clock has been set since."""
        return wall_zero() - self.zero


@dataclass
class MeasuredServer:
    """The server under measurement. `pid` is None if its process is not on this machine."""

    url: str
    pid: int | None = None
    tapped: bool = True
    publish_path: str = "/publish/{room}/"
    clock: Clock = field(default_factory=Clock)
    publish_cpu: float = math.nan  # server seconds for one publish without subscribers
    http_cpu: float = 0.0  # CPU seconds of the publisher's HTTP client for one publish

    def cpu(self) -> float:
        """Return the CPU seconds that the server has used; NaN if unknown."""
        seconds = None if self.pid is None else cpu_seconds(self.pid)
        return math.nan if seconds is None else seconds

    def memory(self) -> float:
        """Return the server's resident bytes; NaN if unknown."""
        resident = None if self.pid is None else resident_bytes(self.pid)
        return math.nan if resident is None else resident

    async def open(
        self, publisher: Worker[Publisher], http_client: str = "httpx", connections: int = 1
    ) -> None:
        """Connect the publisher to the server. Raises `WorkerFailed`."""
        await publisher.ask(Publisher.open, self.url, self.publish_path, connections, http_client)

    async def calibrate(self, publisher: Worker[Publisher], size: int, same_host: bool) -> None:
        """Measure the server's clock and the CPU of publishing an event of `size` characters."""
        room = f"calibrate-{secrets.token_hex(4)}"
        await publisher.ask(Publisher.warm_up, room, size)
        probes = [await publisher.ask(Publisher.publish, room, -1, size) for _ in range(PROBES)]
        self.clock = Clock() if same_host else Clock.of(probes)
        self.http_cpu = statistics.median(probe.cpu for probe in probes)
        if math.isnan(before := self.cpu()):
            return
        for _number in range(BASELINE):
            await publisher.ask(Publisher.publish, room, -1, size)
        self.publish_cpu = (self.cpu() - before) / BASELINE
