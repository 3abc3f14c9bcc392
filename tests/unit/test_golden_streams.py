"""The Python clients, against the golden streams of `conformance/clients`."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager, suppress
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from websockets.asyncio.server import ServerConnection, serve

from tests.support.waiting import BOUND
from transports.client import BackOff, Rejected
from transports.registry import BY_NAME, Technique

FILES = sorted(Path(__file__).parents[2].glob("conformance/clients/*.json"))
CASES = [
    pytest.param(BY_NAME[name], document["room"], case, id=f"{name}: {case['name']}")
    for document in map(json.loads, (file.read_text(encoding="utf-8") for file in FILES))
    for name in document["techniques"]
    for case in document["cases"]
]


class Player:
    """A server that plays the exchanges of a case, and checks the client's requests."""

    def __init__(self, exchanges: list[dict[str, Any]]) -> None:
        self.exchanges = iter(exchanges)
        self.left = len(exchanges)
        self.faults: list[str] = []

    def next(self, target: str, headers: dict[str, str]) -> dict[str, Any] | None:
        """Return the next exchange, having checked the request; None after the last one."""
        exchange = next(self.exchanges, None)
        if exchange is None:
            return None
        self.left -= 1
        query = {name: values[0] for name, values in parse_qs(urlsplit(target).query).items()}
        for kind, received in (("query", query), ("headers", headers)):
            for name, value in exchange["request"].get(kind, {}).items():
                if received.get(name) != value:
                    self.faults.append(f"{kind} {name}: {value!r} != {received.get(name)!r}")
        return exchange

    async def respond(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError, asyncio.IncompleteReadError):
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
                pairs = (line.partition(": ") for line in head[1:] if line)
                headers = {name.lower(): value for name, _, value in pairs}
                exchange = self.next(head[0].split()[1], headers)
                if exchange is None or not await self.play(exchange, writer):
                    break
            await reader.read()  # until the client closes
        writer.close()

    async def play(self, exchange: dict[str, Any], writer: asyncio.StreamWriter) -> bool:
        """Send the response; return whether the connection can be used again."""
        body, end = exchange["body"].encode(), exchange["end"]
        is_stream = (
            "text/event-stream" in exchange["headers"].values() or "Cursor" in exchange["headers"]
        )
        length = len(body) + (end != "complete")
        framing = "Transfer-Encoding: chunked" if is_stream else f"Content-Length: {length}"
        fields = [f"{name}: {value}" for name, value in exchange["headers"].items()]
        lines = [f"HTTP/1.1 {exchange['status']} Status", framing, *fields, "", ""]
        writer.write("\r\n".join(lines).encode())
        size = 1 if exchange["split"] else len(body) or 1
        for start in range(0, len(body), size):
            part = body[start : start + size]
            writer.write(b"%x\r\n%b\r\n" % (len(part), part) if is_stream else part)
            await writer.drain()
            await asyncio.sleep(0)
        if end == "complete" and is_stream:
            writer.write(b"0\r\n\r\n")
        elif end == "cut":
            writer.close()
        return bool(end == "complete")

    async def converse(self, socket: ServerConnection) -> None:
        assert socket.request is not None
        headers = {name.lower(): value for name, value in socket.request.headers.raw_items()}
        exchange = self.next(socket.request.path, headers)
        if exchange is not None:
            for message in exchange["messages"]:
                await socket.send(message)
            if exchange["close"]:
                await socket.close(exchange["close"], "A reason.")
            elif exchange["end"] == "cut":
                socket.transport.abort()
        await socket.wait_closed()


@asynccontextmanager
async def played(technique: Technique, player: Player) -> AsyncIterator[str]:
    """Yield the URL of a server that plays."""
    if technique.scheme == "ws":
        async with serve(player.converse, "127.0.0.1", 0, compression=None) as server:
            yield f"http://127.0.0.1:{next(iter(server.sockets)).getsockname()[1]}"
    else:
        http = await asyncio.start_server(player.respond, "127.0.0.1", 0)
        yield f"http://127.0.0.1:{http.sockets[0].getsockname()[1]}"
        http.close()


@pytest.mark.parametrize(("technique", "room", "case"), CASES)
async def test_client_delivers_the_events_of_a_golden_stream(
    technique: Technique, room: str, case: dict[str, Any]
) -> None:
    player = Player(case["exchanges"])
    received: list[dict[str, str]] = []
    options: dict[str, Any] = {"back_off": BackOff(first=0.01, most=0.02)}
    if technique.response_ends == "at once":
        options["interval"] = 0.01

    async def receive(url: str) -> None:
        async with aclosing(technique.events(url, room, case["since"], **options)) as events:  # type: ignore[type-var]
            async for event in events:
                received.append({"id": event.id, "text": event.text})

    async with asyncio.timeout(BOUND), played(technique, player) as url:
        receiving = asyncio.create_task(receive(url))
        if "rejected" in case:
            with pytest.raises(Rejected) as rejection:
                await receiving
            assert rejection.value.status == case["rejected"]
        else:
            while player.left or len(received) < len(case["events"]):
                assert not receiving.done(), receiving
                await asyncio.sleep(0.002)
        receiving.cancel()
        await asyncio.wait({receiving})
    assert (received, player.faults) == (case["events"], [])
