"""The cost of a poll without new events."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass

from benchmarks.contestants import Contestant
from benchmarks.framing import Unexpected, get
from benchmarks.publishers import HttpPublisher, read_response
from benchmarks.servers import Server

CLIENTS = 8  # connections; each polls again after its response


@dataclass(frozen=True)
class Polls:
    """The figures of empty polls."""

    contestant: str
    polls: int
    cpu: float

    @property
    def cost(self) -> float:
        """CPU milliseconds of the server for 1,000 polls."""
        return self.cpu * 1e6 / self.polls


async def empty_polls(server: Server, contestant: Contestant, polls: int, room: str) -> Polls:
    """Poll from the room's head, after a warm-up of a tenth; check that each poll is empty."""
    path = f"/polling/{room}/"
    if contestant.is_ours:
        async with HttpPublisher(server.port, room) as publisher:
            await publisher.publish()
            await publisher.accepted()
    cursor = (await _poll(server.port, get(path, server.host), 1))["cursor"]
    request = get(f"{path}?since={cursor}", server.host)

    async def poll(times: int) -> None:
        share = [times // CLIENTS] * CLIENTS
        batches = await asyncio.gather(*(_poll(server.port, request, count) for count in share))
        if any(batch["events"] for batch in batches):
            raise Unexpected("expected an empty poll; got events")

    await poll(max(CLIENTS, polls // 10))
    await server.settled()
    cpu = server.cpu
    await poll(polls)
    await server.settled()
    return Polls(contestant.name, polls // CLIENTS * CLIENTS, server.cpu - cpu)


async def _poll(port: int, request: bytes, count: int) -> dict[str, object]:
    """Poll `count` times on one connection; return the last batch."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    body = b"{}"
    for _ in range(count):
        writer.write(request)
        code, body = await read_response(reader)
        if code != 200:
            raise Unexpected(f"expected 200 to a poll; got {code}: {body[:200]!r}")
    writer.transport.abort()
    batch: dict[str, object] = json.loads(body)
    return batch
