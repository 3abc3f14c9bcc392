"""One configuration measured: set up, warm up, load, drain, settle the figures."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from transports.cursors import Cursor, InvalidCursor

from . import schedule
from .adapters import Adapter
from .child import Child
from .clock import Clock
from .figures import quantile
from .host import cores, cpu_seconds, resident_bytes
from .ledger import Ledger, Sample, Sent
from .network import Network
from .probes import LENGTH, Volley, numbers, pause
from .replay import Heard, play
from .result import Cost, Measurement, Watch, spread
from .settings import Settings
from .theory import Path, Sizes, framed, predict

PER_PROCESS = 50  # clients in one subscriber process
WEIGHED = 50  # clients from which on memory is told: fewer drown in what else a server does
LEAD = 0.25  # seconds between giving the order to publish and the first intended time
PATIENCE = 30.0  # seconds in which every client has to have received something
BASELINE = 40  # events published to nobody, to know what publishing alone costs


class MeasurementFailed(Exception):
    """The run cannot give figures: a client never connected, or nothing was accepted."""


@dataclass
class Target:
    """The server under measurement. `pid` is None for one that is not ours to look into."""

    url: str
    pid: int | None = None
    tapped: bool = True
    publish_path: str = "/publish/{room}/"
    clock: Clock = field(default_factory=Clock)
    publish_cpu: float | None = None  # server seconds for one publish with nobody there


@dataclass(frozen=True)
class Progress:
    """What is on the screen while it runs."""

    phase: str
    techniques: tuple[str, ...]
    done: float  # share of the phase
    received: dict[str, int] = field(default_factory=dict)
    medians: dict[str, float] = field(default_factory=dict)  # seconds, of the last deliveries


Report = Callable[[Progress], None]


async def calibrate(target: Target, load: Child, settings: Settings, same_host: bool) -> None:
    """Find the server's clock, and what publishing alone costs."""
    room = f"calibrate-{secrets.token_hex(4)}"
    probes = [
        await load.ask("probe", room=room, index=-1 - number, size=settings.size)
        for number in range(10)
    ]
    target.clock = Clock.of(probes, same_host)
    if target.pid is not None and (before := cpu_seconds(target.pid)) is not None:
        for number in range(BASELINE):
            await load.ask("probe", room=room, index=-1 - number, size=settings.size)
        after = cpu_seconds(target.pid)
        target.publish_cpu = None if after is None else (after - before) / BASELINE


async def measure(
    target: Target,
    load: Child,
    settings: Settings,
    report: Report,
    fresh: Callable[[], AbstractAsyncContextManager[Target]] | None = None,
) -> list[Measurement]:
    """One round: every technique of `settings`, each by itself or all together.

    With `fresh`, each technique of so many clients that memory is measured gets a server of
    its own: what an earlier technique has left free would be used again, and not be seen.
    """
    adapters = settings.adapters
    phases = [adapters] if settings.together else [[adapter] for adapter in adapters]
    found: list[Measurement] = []
    for phase in phases:
        if fresh is None or settings.clients < WEIGHED:
            found += await _Phase(target, load, settings, phase, report).run()
            continue
        async with fresh() as own:
            await load.ask("open", base_url=own.url, path=own.publish_path, connections=1)
            await calibrate(own, load, settings, same_host=True)
            found += await _Phase(own, load, settings, phase, report).run()
    return found


class _Phase:
    """One room, one schedule, and the clients of one technique, or of all."""

    def __init__(
        self,
        target: Target,
        load: Child,
        settings: Settings,
        adapters: Sequence[Adapter],
        report: Report,
    ) -> None:
        self.target = target
        self.load = load
        self.settings = settings
        self.adapters = adapters
        self.report = report
        self.names = tuple(adapter.name for adapter in adapters)
        self.room = f"compare-{secrets.token_hex(4)}"
        self.children: list[Child] = []
        self.memory: int | None = None
        self.identity = 0.0  # the mean length of an event's id, and of its JSON
        self.event_size = 0.0
        self.every: list[float] = []  # when each event was published, the warm-up's too
        self.asked: dict[str, list[list[float]]] = {}  # when each polling client asked

    async def run(self) -> list[Measurement]:
        async with AsyncExitStack() as stack:
            await self._open(stack)
            await self._warm_up()
            probes = await self._probe()
            volley = await self._volley(0)
            await self._ask("settle")
            sent, watch, marks, cpu = await self._load()
            await self._drain(sent)
            ends = await self._marks()
            volley += await self._volley(1)
            await asyncio.sleep(0.1 + self.settings.rtt)
            samples = await self._close()
            for child in self.children:
                child.dismiss()  # all at once
        return [
            self._measurement(adapter, sent, watch, marks, ends, cpu, probes, volley, samples)
            for adapter in self.adapters
        ]

    async def _ask(self, command: str, **arguments: Any) -> list[Any]:
        return list(
            await asyncio.gather(*[child.ask(command, **arguments) for child in self.children])
        )

    async def _open(self, stack: AsyncExitStack) -> None:
        settings = self.settings
        self.report(Progress("connecting", self.names, 0.0))
        before = resident_bytes(self.target.pid) if self.target.pid else None
        groups = []
        for adapter in self.adapters:
            polling = adapter.technique == "polling"
            phases = schedule.phases(
                settings.clients, settings.interval + settings.rtt, settings.seed
            )
            groups += [
                {
                    "name": adapter.name,
                    "technique": adapter.technique,
                    "path": adapter.path,
                    "target": self.target.url,
                    "network": asdict(settings.network),
                    "tapped": self.target.tapped,
                    "room": self.room,
                    "phases": [
                        phase if polling else 0.0 for phase in phases[first : first + PER_PROCESS]
                    ],
                    "first": first,
                    "interval": settings.interval,
                    "hold": settings.hold,
                }
                for first in range(0, settings.clients, PER_PROCESS)
            ]
        for _ in groups:
            child = await stack.enter_async_context(Child("realtime_demo.comparison.subscribers"))
            self.children.append(child)
        await asyncio.gather(
            *[
                child.ask("open", groups=[group])
                for child, group in zip(self.children, groups, strict=True)
            ]
        )
        self._resident_before = before

    async def _probe(self) -> dict[str, dict[str, float]]:
        found: dict[str, dict[str, float]] = {}
        for answer in await self._ask("probe"):
            found |= {name: probe for name, probe in answer.items() if probe}
        return found

    async def _volley(self, before: int) -> Volley:
        """Single events, to clients that wait for them."""
        settings, pid = self.settings, self.target.pid
        if all(adapter.technique == "polling" for adapter in self.adapters):
            return Volley()  # nobody waits
        published: dict[int, float] = {}
        began, cpu_began = await self._marks(), cpu_seconds(pid) if pid else None
        apart = pause(settings.rtt + settings.jitter, settings.clients * len(self.adapters))
        for number in numbers(before, min(LENGTH, settings.duration / 5), apart):
            event = await self.load.ask("probe", room=self.room, index=number, size=settings.size)
            published[number] = self._published(event)
            await asyncio.sleep(apart)
        ended, cpu_ended = await self._marks(), cpu_seconds(pid) if pid else None
        server = None
        if cpu_began is not None and cpu_ended is not None:
            server = (cpu_ended - cpu_began) / len(published) - (self.target.publish_cpu or 0.0)
        clients = sum(b["cpu"] - a["cpu"] for a, b in zip(began, ended, strict=True))
        return Volley(published, server, clients / len(published))

    async def _warm_up(self) -> None:
        """Publish until every client has received something."""
        settings = self.settings
        deadline = time.monotonic() + PATIENCE + settings.interval + 4 * settings.rtt
        number = 0
        while True:
            number -= 1
            await self.load.ask("probe", room=self.room, index=number, size=settings.size)
            await asyncio.sleep(0.2 + settings.rtt)
            ready: dict[str, int] = dict.fromkeys(self.names, 0)
            for answer in await self._ask("ready"):
                for name, count in answer.items():
                    ready[name] += count
            if all(count == settings.clients for count in ready.values()):
                break
            missing = ", ".join(
                f"{name} ({count} of {settings.clients})"
                for name, count in ready.items()
                if count < settings.clients
            )
            for mark in await self._marks():
                for name, group in mark["groups"].items():
                    if group["errors"]:
                        raise MeasurementFailed(f"{name}: {group['errors'][0]}")
            if time.monotonic() > deadline:
                raise MeasurementFailed(f"No event of the warm-up has reached all of {missing}.")
        if self.target.pid and self._resident_before is not None:
            after = resident_bytes(self.target.pid)
            if after is not None:
                self.memory = after - self._resident_before

    async def _marks(self) -> list[dict[str, Any]]:
        return await self._ask("mark")

    async def _load(
        self,
    ) -> tuple[list[Sent], Watch, tuple[list[dict[str, Any]], list[dict[str, Any]]], float | None]:
        settings, pid = self.settings, self.target.pid
        window = settings.warmup + settings.duration
        times = schedule.times(settings.rate, window, settings.arrivals, settings.seed)
        before = sum(offset < settings.warmup for offset in times)
        start = time.monotonic() + LEAD
        publishing = asyncio.create_task(
            self.load.ask(
                "run",
                room=self.room,
                start=start,
                times=times,
                # Numbers of the warm-up are negative, and so are left out of every figure.
                first=-before,
                size=settings.size,
            )
        )
        try:
            await _until(start + settings.warmup)
            began, cpu_began = await self._marks(), cpu_seconds(pid) if pid else None
            end = start + window
            while (left := end - time.monotonic()) > 0:
                await asyncio.sleep(min(0.5, left))
                await self._show(1 - max(0.0, end - time.monotonic()) / window)
            ended, cpu_ended = await self._marks(), cpu_seconds(pid) if pid else None
            answer = await publishing
        finally:
            publishing.cancel()
        every = sorted(map(self._sent, answer["events"]), key=lambda event: event.published)
        self.every = [event.published for event in every]
        sent = [event for event in every if event.number >= 0]
        if not sent:
            said = answer["failures"][0] if answer["failures"] else "no event fell into the window"
            raise MeasurementFailed(f"Nothing was published: {said}.")
        wall = max(1e-9, ended[0]["time"] - began[0]["time"])
        watch = Watch(
            publisher_busy=answer["busy"],
            subscriber_busy=max(
                (b["cpu"] - a["cpu"]) / wall for a, b in zip(began, ended, strict=True)
            ),
            publisher_late=quantile(answer["late"], 0.9),
            subscriber_late=max(quantile(mark["lags"] or [0.0], 0.9) for mark in ended),
            failures=tuple(answer["failures"]),
            errors=tuple(
                error
                for mark in ended
                for group in mark["groups"].values()
                for error in group["errors"]
            ),
        )
        cpu = None
        if cpu_began is not None and cpu_ended is not None:
            cpu = cpu_ended - cpu_began - (self.target.publish_cpu or 0.0) * len(sent)
        lengths = [len(str(event["id"])) for event in answer["events"]]
        self.identity = sum(lengths) / len(lengths)
        self.event_size = sum(event["size"] for event in answer["events"]) / len(lengths)
        return sorted(sent), watch, (began, ended), cpu

    def _sent(self, event: dict[str, Any]) -> Sent:
        try:
            seq = Cursor.parse(str(event["id"])).seq
        except InvalidCursor:
            seq = event["index"] + 1_000_000
        return Sent(
            number=event["index"],
            intended=event["intended"],
            actual=event["sent"],
            published=self._published(event),
            acknowledged=event["acknowledged"],
            seq=seq,
        )

    def _published(self, event: dict[str, Any]) -> float:
        """When the server published it, on this host's clock; else when it was sent."""
        at = event.get("published_at")
        return float(event["sent"]) if at is None else self.target.clock.local(at)

    async def _show(self, done: float) -> None:
        received: dict[str, int] = {}
        medians: dict[str, float] = {}
        for mark in await self._marks():
            for name, group in mark["groups"].items():
                received[name] = received.get(name, 0) + group["received"]
                if group["median"] is not None:
                    medians[name] = group["median"] + self.target.clock.offset
        self.report(Progress("measuring", self.names, done, received, medians))

    async def _drain(self, sent: Sequence[Sent]) -> None:
        """Wait for what is still on its way: as long as any technique may take, and no longer."""
        settings = self.settings
        patience = 2.0 + 2 * (settings.interval + 4 * (settings.rtt + settings.jitter))
        deadline = time.monotonic() + patience
        wanted = {event.number for event in sent}
        self.report(Progress("draining", self.names, 1.0))
        while time.monotonic() < deadline:
            found = 0
            for mark in await self._marks():
                found += sum(group["counted"] for group in mark["groups"].values())
            if found >= self.settings.clients * len(self.adapters) * len(wanted):
                break
            await asyncio.sleep(0.05)
        await asyncio.sleep(0.1 + settings.rtt)  # for a double of the last event

    async def _close(self) -> dict[str, list[Sample]]:
        found: dict[str, list[Sample]] = {name: [] for name in self.names}
        for answer in await self._ask("close"):
            for name, (samples, asked) in answer.items():
                found[name] += [Sample(*sample) for sample in samples]
                self.asked.setdefault(name, []).extend(asked)
        return found

    def _measurement(
        self,
        adapter: Adapter,
        sent: list[Sent],
        watch: Watch,
        marks: tuple[list[dict[str, Any]], list[dict[str, Any]]],
        ends: list[dict[str, Any]],
        cpu: float | None,
        probes: dict[str, dict[str, float]],
        volley: Volley,
        samples: dict[str, list[Sample]],
    ) -> Measurement:
        settings, name = self.settings, adapter.name
        mine = samples[name]
        ledger = Ledger.of(sent, mine, settings.clients)
        began, ended = (_total(mark, name) for mark in marks)
        last = _total(ends, name)
        change = {key: ended[key] - began[key] for key in ended}
        processes = sum(name in mark["groups"] for mark in marks[0])
        alone = len(self.adapters) == 1
        tapped = self.target.tapped
        memory = None
        if alone and self.memory is not None and settings.clients >= WEIGHED:
            memory = self.memory / settings.clients
        deliveries = int(change["received"])
        cost = Cost(
            seconds=change["time"] / processes,
            published=len(sent) * settings.clients,
            deliveries=deliveries,
            requests=int(change["requests"]) if tapped else None,
            empty=int(change["empty"]) if tapped else None,
            up=int(change["up"]) if tapped else None,
            down=int(change["down"]) if tapped else None,
            connections=int(ended["open"]) if tapped else None,
            reconnects=int(ended["connections"] - began["connections"]) if tapped else None,
            cpu=cpu / deliveries * 1_000 if alone and cpu is not None and deliveries else None,
            memory=memory,
        )
        sizes = self._sizes(adapter, probes.get(name))
        path, work = self._path(probes.get(name)), list[float]()
        if adapter.technique != "polling":
            path, work = self._push(path, sizes, volley.delays(mine))
        # What was published before may still be brought by the first answers of the window.
        begin = sent[0].published
        published = sorted(
            [*self.every, *(time for time in volley.published.values() if time < begin)]
        )
        workload = replace(settings.workload, rate=len(sent) / settings.duration)
        return Measurement(
            name=name,
            technique=adapter.technique,
            clients=settings.clients,
            ledger=ledger,
            intended=spread(sent, mine, "intended"),
            actual=spread(sent, mine, "actual"),
            published=spread(sent, mine, "published"),
            cost=cost,
            watch=watch,
            prediction=predict(adapter.technique, workload, path, sizes),
            played=play(
                adapter.technique,
                workload,
                path,
                sizes,
                Heard(
                    published=published,
                    first=len(published) - len(sent),
                    window=(began["time"] / processes, ended["time"] / processes),
                    clients=settings.clients,
                    asked=self.asked.get(name, ()),
                    work=work,
                    # Together, what the processes did between the probes was for everyone's
                    # idle clients too: by event it says nothing.
                    busy=volley.busy / cores() if alone else 0.0,
                ),
            ),
            sizes=sizes,
            service=path.service,
            push=path.push,
            volley=volley,
            cores=cores(),
            event_bytes=self.event_size,
            idle_up=None,
            idle_down=None,
            resets=int(last["resets"]),
            sent=tuple(sent),
            samples=tuple(mine),
        )

    def _path(self, probe: dict[str, float] | None) -> Path:
        network = self.settings.network if self.target.tapped else Network()
        if probe is None:
            return Path(network)
        return Path(network, service=max(0.0, probe["seconds"] - network.rtt))

    @staticmethod
    def _push(path: Path, sizes: Sizes, delays: Sequence[float]) -> tuple[Path, list[float]]:
        """The work on an event's way down, from the volleys' delays, in which the network's
        part is known."""
        if not delays:
            return path, []
        start, jitter = path.way_down(sizes.down + sizes.event, 0.0)
        work = [delay - start - jitter / 2 for delay in delays]
        push = max(0.0, sum(work) / len(work))
        # Where the way is uneven, one delivery's work cannot be told from its jitter.
        return replace(path, push=push), [push] if jitter else work

    def _sizes(self, adapter: Adapter, probe: dict[str, float] | None) -> Sizes:
        event = self.event_size
        if adapter.technique in ("polling", "longpoll"):
            if probe is None:
                return Sizes()
            # The probe's cursor was of an empty room, and so shorter.
            longer = self.identity - probe["cursor"] if probe["cursor"] else 0.0
            return Sizes(up=probe["up"] + longer, down=probe["down"] + longer, event=event)
        size = framed(adapter.technique, event, self.identity, len(self.room))
        if adapter.technique.startswith("websocket"):
            heartbeat = framed(adapter.technique, 0, self.identity, len(self.room))
            return Sizes(0.0, heartbeat, size, *PINGS)
        return Sizes(0.0, HEARTBEATS[adapter.technique], size)


# Bytes down of a heartbeat: a chunk of "\n", of ":\n\n" (RFC 9112 §7.1).
HEARTBEATS = {"streaming": 6.0, "sse": 8.0}
# Bytes up and down between two pings: the client's ping of 4 bytes and its pong, the server's
# of 12 and its pong, each with a mask on the way up (RFC 6455 §5.2, §5.5.2).
PINGS = (10.0 + 18.0, 6.0 + 14.0)


def _total(marks: Sequence[dict[str, Any]], name: str) -> dict[str, float]:
    """The numbers of group `name`, summed over the processes that have it."""
    total: dict[str, float] = {}
    for mark in marks:
        for key, value in mark["groups"].get(name, {}).items():
            if isinstance(value, int | float):
                total[key] = total.get(key, 0) + value
    return total


async def _until(moment: float) -> None:
    await asyncio.sleep(max(0.0, moment - time.monotonic()))
