"""Responses on Uvicorn: the same bytes as Uvicorn's own, in one write if they are whole."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest
from uvicorn import Config
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.server import ServerState

from realtime_demo.protocols import HttpProtocol

GET = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
LENGTH = (b"Content-Length", b"2")


class Transport(asyncio.Transport):
    """A transport that records what is written."""

    def __init__(self) -> None:
        super().__init__()
        self.writes: list[bytes] = []
        self.is_closed = False

    def write(self, data: bytes | bytearray | memoryview) -> None:
        if data:
            self.writes.append(bytes(data))

    def is_closing(self) -> bool:
        return self.is_closed

    def close(self) -> None:
        self.is_closed = True

    def pause_reading(self) -> None:
        pass

    resume_reading = pause_reading


async def served(
    protocol_class: type[HttpToolsProtocol], request: bytes, messages: Sequence[dict[str, Any]]
) -> Transport:
    """Return the transport after an application has sent `messages` in response to `request`."""

    async def application(scope: Any, receive: Any, send: Any) -> None:
        for message in messages:
            await send(message)

    state, transport = ServerState(), Transport()
    state.default_headers = [(b"date", b"now")]
    config = Config(application, log_config=None, access_log=False, interface="asgi3")
    protocol = protocol_class(config, state, {})
    protocol.connection_made(transport)
    protocol.data_received(request)
    while state.tasks:
        await asyncio.gather(*state.tasks)
    protocol._unset_keepalive_if_required()
    return transport


def start(*headers: Any, status: int = 200) -> dict[str, Any]:
    return {"type": "http.response.start", "status": status, "headers": headers}


def body(data: bytes, more: bool = False) -> dict[str, Any]:
    return {"type": "http.response.body", "body": data, "more_body": more}


@pytest.mark.parametrize(
    ("request_", "messages", "writes"),
    [
        (GET, [start(LENGTH), body(b"hi")], 1),
        (GET, [start([b"Content-Length", b"0"], status=404), body(b"")], 1),
        (GET * 2, [start(LENGTH), body(b"hi")], 2),
        (GET, [start(LENGTH), body(b"h", more=True), body(b"i")], 3),
        (GET, [start(LENGTH, (b"connection", b"close")), body(b"hi")], 2),
        (GET, [start(LENGTH, (b"vary", b"a"), (b"vary", b"b")), body(b"hi")], 2),
        (GET, [start(), body(b"hi")], 2),
        (GET, [start()], 1),
        (GET, [start((b"a", b"1\r\nb: 2"), LENGTH), body(b"hi")], 0),
        (GET.replace(b"1.1", b"1.0"), [start(LENGTH), body(b"hi")], 2),
        (GET.replace(b"GET", b"HEAD"), [start(LENGTH), body(b"")], 1),
    ],
)
async def test_responses_are_those_of_uvicorn(
    request_: bytes, messages: list[dict[str, Any]], writes: int
) -> None:
    ours = await served(HttpProtocol, request_, messages)
    theirs = await served(HttpToolsProtocol, request_, messages)
    assert b"".join(ours.writes) == b"".join(theirs.writes)
    assert (len(ours.writes), ours.is_closed) == (writes, theirs.is_closed)


@pytest.mark.parametrize("sent", [[], [body(b"hi, ada")]], ids=["no body", "too long"])
async def test_a_response_of_another_length_closes_the_connection(
    sent: list[dict[str, Any]],
) -> None:
    transport = await served(HttpProtocol, GET, [start(LENGTH), *sent])
    assert transport.is_closed
    assert b"hi" not in b"".join(transport.writes)
