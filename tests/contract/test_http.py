"""Versions of HTTP, connections and bodies, as bytes on the wire.

tests/server/test_conformance.py has the cases of the standards that any server must pass.
"""

from __future__ import annotations

import json
from email.utils import parsedate_to_datetime

import httpx
import pytest

from tests.support.raw import HANDSHAKE, RawConnection, check_raw_problem, headers_of
from tests.support.techniques import BATCHES, STREAMS
from transports.events import Event
from transports.registry import Technique

from .conftest import one_history
from .feeds import publish

pytestmark = one_history
BODY_SIZE = 65_536
CHUNK = b"%x\r\n%b\r\n" % (8_192, b"c" * 8_192)
JSON = "Content-Type: application/json"
HOST = b"Host: 127.0.0.1\r\n"


def target(technique: Technique, room: str) -> str:
    wait = "?wait=0" if technique.name == "longpoll" else ""
    return technique.url_path(room) + wait


@pytest.mark.parametrize("technique", STREAMS)
async def test_stream_is_chunked_in_http_1_1_and_raw_in_http_1_0(
    server_url: str, http: httpx.AsyncClient, technique: Technique, room: str
) -> None:
    """HTTP/1.0 has no chunks (RFC 9112 §6.1): its response ends with the connection."""
    (event,) = await publish(http, room, ["one"])
    for version, coding in (("1.1", "chunked"), ("1.0", None)):
        async with await RawConnection.open(server_url) as connection:
            head = await connection.get(technique.url_path(room), version=version)
            headers = headers_of(head)
            assert headers.get("transfer-encoding") == coding
            assert "content-length" not in headers
            if version == "1.1":
                assert event.encoded in await connection.chunk()
            else:
                preamble = await connection.until(event.encoded)
                assert preamble.splitlines()[0] == preamble.split(b"\n")[0], "no chunk size"
                assert not preamble[:1].isdigit()


async def test_pipelined_requests_are_answered_in_order(
    server_url: str, http: httpx.AsyncClient, room: str
) -> None:
    """RFC 9112 §9.3.2; the long poll in the middle takes longer than what follows it."""
    events = [*await publish(http, room, ["1"]), *await publish(http, f"{room}-b", ["2"])]
    async with await RawConnection.open(server_url) as connection:
        connection.request(f"/polling/{room}/")
        connection.request(f"/longpoll/{room}/?since={events[0].id}&wait=0.3")
        connection.request("/polling/UPPER/")
        connection.request(f"/polling/{room}-b/")
        batches = [json.loads((await connection.response())[2]) for _ in range(2)]
        check_raw_problem(await connection.response(), 404)
        batches.append(json.loads((await connection.response())[2]))
    received = [Event.from_document(document) for batch in batches for document in batch["events"]]
    assert [batch["room"] for batch in batches] == [room, room, f"{room}-b"]
    assert received == events


@pytest.mark.parametrize("technique", [*BATCHES, *STREAMS])
async def test_head_leaves_the_connection_for_the_next_request(
    server_url: str, technique: Technique, room: str
) -> None:
    async with await RawConnection.open(server_url) as connection:
        connection.request(target(technique, room), method="HEAD")
        assert (await connection.head())[0].split()[1] == "200"
        connection.request(f"/polling/{room}/")
        assert (await connection.response())[0] == 200


async def test_body_at_the_limit_is_received(
    server_url: str, http: httpx.AsyncClient, room: str
) -> None:
    """The body is read, whole or in chunks: the problem is about its text, not its size."""
    document = b'{"sender": "ada", "text": "%b"}'
    body = document % (b"x" * (BODY_SIZE - len(document) + 2))
    assert len(body) == BODY_SIZE
    for content in (body, in_two(body)):
        response = await http.post(
            f"/publish/{room}/", content=content, headers={"content-type": "application/json"}
        )
        assert (response.status_code, response.json()["code"]) == (400, "text")


async def in_two(body: bytes):  # type: ignore[no-untyped-def]
    yield body[:40_000]
    yield body[40_000:]


async def test_large_announced_body_is_rejected_before_it_is_sent(
    server_url: str, room: str
) -> None:
    async with await RawConnection.open(server_url) as connection:
        length = f"Content-Length: {BODY_SIZE + 1}"
        connection.request(f"/publish/{room}/", JSON, length, "Expect: 100-continue", method="POST")
        check_raw_problem(await connection.response(), 413)


@pytest.mark.parametrize("length", ["9" * 18, "9" * 30, "9" * 5_000], ids=len)
async def test_absurd_content_length_is_rejected(server_url: str, room: str, length: str) -> None:
    """The application rejects it, or the server's own parser does (RFC 9110 §8.6)."""
    async with await RawConnection.open(server_url) as connection:
        connection.request(f"/publish/{room}/", JSON, f"Content-Length: {length}", method="POST")
        assert (await connection.head())[0].split()[1] in ("400", "413")


async def test_chunked_body_is_rejected_as_soon_as_it_is_too_large(
    server_url: str, room: str
) -> None:
    async with await RawConnection.open(server_url) as connection:
        connection.request(f"/publish/{room}/", JSON, "Transfer-Encoding: chunked", method="POST")
        connection.send(CHUNK * 8 + b"1\r\nc\r\n")  # the last chunk is not sent
        check_raw_problem(await connection.response(), 413)


@pytest.mark.parametrize("header", ["Transfer-Encoding: chunked", "Content-Length: 8000000"])
async def test_client_sending_a_rejected_body_reads_the_problem(
    server_url: str, room: str, header: str
) -> None:
    async with await RawConnection.open(server_url) as connection:
        connection.request(f"/publish/{room}/", JSON, header, method="POST")
        for _ in range(100):
            connection.send(CHUNK)
        check_raw_problem(await connection.response(), 413)


@pytest.mark.parametrize("technique", [*BATCHES, *STREAMS])
async def test_a_large_body_of_a_get_causes_no_server_error(
    server_url: str, room: str, technique: Technique
) -> None:
    """It is rejected, or discarded after the response has begun."""
    async with await RawConnection.open(server_url) as connection:
        connection.request(technique.path.format(room=room), "Transfer-Encoding: chunked")
        connection.send(CHUNK * 16 + b"0\r\n\r\n")
        status = (await connection.head())[0].split()[1]
        assert status in ("200", "413")


@pytest.mark.own_server
@pytest.mark.parametrize("target", ["/polling/{room}/", "/healthz", "/", "/missing"])
@pytest.mark.parametrize(
    "hosts", [b"", HOST * 2, b"Host:\r\n", b"Host: a b\r\n", b"Host: u@127.0.0.1\r\n"]
)
async def test_request_needs_exactly_one_valid_host(
    server_url: str, room: str, target: str, hosts: bytes
) -> None:
    """RFC 9112 §3.2."""
    async with await RawConnection.open(server_url) as connection:
        line = f"GET {target.format(room=room)} HTTP/1.1\r\n".encode()
        connection.send(line + hosts + b"\r\n")
        assert (await connection.head())[0].split()[1] == "400"


@pytest.mark.own_server
async def test_handshake_needs_exactly_one_valid_host(server_url: str, room: str) -> None:
    fields = "\r\n".join(HANDSHAKE).encode() + b"\r\n\r\n"
    for hosts in (b"", HOST * 2, b"Host:\r\n"):
        async with await RawConnection.open(server_url) as connection:
            connection.send(f"GET /websocket/{room}/ HTTP/1.1\r\n".encode() + hosts + fields)
            assert (await connection.head())[0].split()[1] == "400"


@pytest.mark.parametrize(("hosts", "status"), [(b"", 200), (HOST, 200), (HOST * 2, 400)])
async def test_http_1_0_needs_no_host(
    server_url: str, room: str, hosts: bytes, status: int
) -> None:
    """Without chunks, a batch has a Content-Length, and the connection ends (RFC 9112 §9.3)."""
    for technique in BATCHES:
        async with await RawConnection.open(server_url) as connection:
            line = f"GET {target(technique, room)} HTTP/1.0\r\n"
            connection.send(line.encode() + hosts + b"\r\n")
            received, headers, _ = await connection.response()
            assert received == status
            assert "transfer-encoding" not in headers
            assert await connection.rest() == b""


@pytest.mark.own_server
async def test_host_of_an_absolute_target_replaces_the_host(server_url: str, room: str) -> None:
    """RFC 9112 §3.2.2."""
    for authority, host, status in (
        ("127.0.0.1", "evil.example", 200),
        ("evil.example", "127.0.0.1", 400),
    ):
        async with await RawConnection.open(server_url) as connection:
            target = f"http://{authority}/longpoll/{room}/?wait=0"
            connection.send(f"GET {target} HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())
            assert (await connection.response())[0] == status


@pytest.mark.own_server
async def test_a_target_that_is_too_long_gets_414(server_url: str) -> None:
    """RFC 9112 §3; a server may also serve it, or reject the whole head (RFC 6585 §5)."""
    async with await RawConnection.open(server_url) as connection:
        connection.request(f"/{'x' * 70_000}")
        assert (await connection.head())[0].split()[1] in ("404", "414", "431")


async def test_options_of_the_whole_server_gets_200(server_url: str) -> None:
    """RFC 9110 §9.3.7."""
    async with await RawConnection.open(server_url) as connection:
        connection.request("*", method="OPTIONS")
        assert (await connection.response())[::2] == (200, b"")


@pytest.mark.parametrize(
    "target", ["/polling/{room}/", "/longpoll/{room}/?wait=0", "/healthz", "/login/"]
)
async def test_half_closed_client_receives_a_finite_response(
    server_url: str, room: str, target: str
) -> None:
    """RFC 9112 §9.6; two requests receive two responses."""
    for number in (1, 2):
        async with await RawConnection.open(server_url) as connection:
            for _ in range(number):
                connection.request(target.format(room=room))
            connection.writer.write_eof()
            for _ in range(number):
                assert (await connection.response())[0] == 200
            assert await connection.rest() == b""


PROTECTED_PATHS = [
    *(target.path for target in (*BATCHES, *STREAMS)),
    "/publish/{room}/",
    "/polling/UPPER/",
    "/polling/{room}",
    "/websocket/{room}/",
    "/rooms/",
    "/healthz",
    "/openapi.json",
    "/asyncapi.json",
]


@pytest.mark.parametrize("path", PROTECTED_PATHS)
async def test_every_response_has_the_headers_that_protect_it(
    server_url: str, room: str, path: str
) -> None:
    """Date (RFC 9110 §6.6.1), nosniff (Fetch §3.6), Cross-Origin-Resource-Policy (§3.7)."""
    async with await RawConnection.open(server_url) as connection:
        suffix = "?wait=0" if path.startswith("/longpoll/") else ""
        headers = headers_of(await connection.get(path.format(room=room) + suffix))
    assert parsedate_to_datetime(headers["date"])
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["cross-origin-resource-policy"] == "same-origin"
    assert headers["cache-control"].startswith("no-store")
    assert "content-encoding" not in headers
