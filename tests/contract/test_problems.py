"""Rejected requests: status, content type, a helpful detail, and no event."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import httpx
import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import InvalidStatus

from tests.support.sockets import close_of
from tests.support.techniques import OVER_HTTP
from transports.client import Rejected
from transports.registry import Technique

from .feeds import BOUND, cursor_of, events_of, publish

JSON = "application/json"
GOOD = {"sender": "ada", "text": "hi"}


def check_problem(response: httpx.Response, status: int, *helpful: str) -> None:
    assert response.status_code == status, (response.request.url, response.text)
    assert response.headers["content-type"] == "application/problem+json"
    assert int(response.headers["content-length"]) == len(response.content)
    problem = response.json()
    assert problem["status"] == status
    assert problem["title"]
    for word in helpful:
        assert word in problem["detail"], problem
    assert "Traceback" not in response.text


def body(**members: Any) -> bytes:
    return json.dumps({**GOOD, **members}).encode()


BAD_BODIES = [
    (b"", "JSON"),
    (b"{", "JSON"),
    (b"\xff\xfe{}", "JSON"),
    (b'"text"', "object"),
    (b"[1, 2]", "object"),
    (b"null", "object"),
    (b"[" * 30_000, "JSON"),
    (b'{"sender": "ada", "text": ' + b"9" * 6_000 + b"}", "JSON"),
    (b"{}", "text"),
    (body(text=None), "text"),
    (body(text=7), "text"),
    (body(text=""), "text"),
    (body(text=" \n\t"), "text"),
    (body(text="x" * 2_001), "2000"),
    (body(sender=""), "sender"),
    (body(sender=["ada"]), "sender"),
    (body(sender="x" * 41), "40"),
    (b'{"sender": "ada", "text": "\\ud800"}', "surrogate"),
    (b'{"sender": "\\udfff", "text": "hi"}', "surrogate"),
    # RFC 8259 §8.1, §6 and §4: UTF-8 without a mark, numbers, and each member once.
    (json.dumps(GOOD).encode("utf-16"), "UTF-8"),
    (json.dumps(GOOD).encode("utf-32-le"), "JSON"),
    (b"\xef\xbb\xbf" + json.dumps(GOOD).encode(), "JSON"),
    (b'{"sender": "ada", "text": "hi", "x": NaN}', "NaN"),
    (b'{"sender": "ada", "text": "hi", "x": [-Infinity]}', "-Infinity"),
    (b'{"sender": "ada", "text": "hi", "x": 1e999}', "1e999"),
    (b'{"sender": "ada", "text": "hi", "text": "hi"}', "twice"),
    (b'{"sender": "ada", "text": "hi", "x": {"y": 1, "y": 2}}', "twice"),
]


async def test_invalid_bodies_are_rejected(http: httpx.AsyncClient, room: str) -> None:
    before = await cursor_of(http, room)
    for content, helpful in BAD_BODIES:
        response = await http.post(
            f"/publish/{room}/", content=content, headers={"content-type": JSON}
        )
        check_problem(response, 400, helpful)
    assert await cursor_of(http, room) == before, "a rejected publish leaves no event"


async def test_other_content_types_are_rejected(http: httpx.AsyncClient, room: str) -> None:
    before = await cursor_of(http, room)
    for content_type in (
        "",
        "text/plain",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "application/json; charset=euc-kr",
        "application/json; charset=utf-16",
        "application/json; charset*=x''y",
        "application/merge-patch+json",
        "application/jsonp",
    ):
        response = await http.post(
            f"/publish/{room}/", content=body(), headers={"content-type": content_type}
        )
        check_problem(response, 415, "application/json")
    assert await cursor_of(http, room) == before


@pytest.mark.parametrize(
    "content_type",
    [
        "application/json; charset=utf-8",
        'application/json;charset="UTF-8"',
        "application/json; charset=utf8",
        "application/json; profile=x",
        "Application/JSON",
    ],
)
async def test_json_content_types_are_accepted(
    http: httpx.AsyncClient, room: str, content_type: str
) -> None:
    response = await http.post(
        f"/publish/{room}/", content=body(), headers={"content-type": content_type}
    )
    assert response.status_code == 201
    assert response.headers["content-type"] == JSON


async def test_large_bodies_are_rejected(http: httpx.AsyncClient, room: str) -> None:
    before = await cursor_of(http, room)
    response = await http.post(
        f"/publish/{room}/", content=body(text="x" * 70_000), headers={"content-type": JSON}
    )
    check_problem(response, 413, "65536")
    assert await cursor_of(http, room) == before


def same_origin(http: httpx.AsyncClient) -> str:
    return str(http.base_url).rstrip("/")


FOREIGN = ["https://evil.example", "null", "http://127.0.0.1:1", "http://127.0.0.1", "garbage"]


async def test_other_origins_are_rejected(http: httpx.AsyncClient, room: str) -> None:
    before = await cursor_of(http, room)
    for origin in FOREIGN:
        response = await http.post(f"/publish/{room}/", json=GOOD, headers={"origin": origin})
        check_problem(response, 403, "origin")
    assert await cursor_of(http, room) == before
    # The same address by another scheme is another origin (RFC 6454 §4).
    other = same_origin(http).replace("http:", "https:")
    check_problem(
        await http.post(f"/publish/{room}/", json=GOOD, headers={"origin": other}), 403, "origin"
    )


async def test_the_servers_origin_is_accepted(http: httpx.AsyncClient, room: str) -> None:
    response = await http.post(
        f"/publish/{room}/", json=GOOD, headers={"origin": same_origin(http)}
    )
    assert response.status_code == 201


@pytest.mark.own_server
async def test_other_hosts_are_rejected(http: httpx.AsyncClient, room: str) -> None:
    for host in ("evil.example", "evil.example:8000", "127.0.0.1.evil.example"):
        response = await http.get(f"/polling/{room}/", headers={"host": host})
        check_problem(response, 400, "Host")


BAD_ROOMS = ["UPPER", "under_score", "dot.ted", "%ED%95%9C", "a" * 65, "a%20b", "a%00"]


@pytest.mark.parametrize("path", [t.path for t in OVER_HTTP] + ["/publish/{room}/"])
async def test_invalid_and_forbidden_rooms_are_rejected(http: httpx.AsyncClient, path: str) -> None:
    method, body = ("POST", GOOD) if path.startswith("/publish") else ("GET", None)
    for name in BAD_ROOMS:
        response = await http.request(method, path.format(room=name), json=body)
        check_problem(response, 404, "a-z")
    response = await http.request(method, path.format(room="staff-only"), json=body)
    check_problem(response, 403, "staff")


BAD_CURSORS = [
    "x",
    "-1",
    "a-",
    "a-01",
    "a-1-2",
    "A-1",
    "a--1",
    "a-1 ",
    "한-1",
    "a-" + "9" * 40,
    "a-1\0",
]


@pytest.mark.parametrize("technique", [t for t in OVER_HTTP if t.name != "sse"])
async def test_malformed_cursors_get_400(
    http: httpx.AsyncClient, technique: Technique, room: str
) -> None:
    for cursor in BAD_CURSORS:
        response = await http.get(technique.url_path(room), params={"since": cursor})
        check_problem(response, 400, "cursor")


async def test_invalid_waits_are_rejected(http: httpx.AsyncClient, room: str) -> None:
    for wait in ("-1", "soon", "nan", "inf", "1,5", "1e", "1_0", "0x1", "\u0663", "1 s", "."):
        response = await http.get(f"/longpoll/{room}/", params={"wait": wait})
        check_problem(response, 400, "wait", "55")


@pytest.mark.parametrize("technique", OVER_HTTP)
async def test_other_methods_are_rejected(
    http: httpx.AsyncClient, technique: Technique, room: str
) -> None:
    for method in ("POST", "PUT", "DELETE", "PATCH", "OPTIONS"):
        response = await http.request(method, technique.url_path(room))
        check_problem(response, 405, "GET")
        assert response.headers["allow"] == "GET, HEAD"


NEAR_MISSES = [
    ("/polling/lobby", "/polling/lobby/"),
    ("/longpoll/lobby", "/longpoll/lobby/"),
    ("/streaming/lobby", "/streaming/lobby/"),
    ("/streaming/lobby/sse", "/streaming/lobby/sse/"),
    ("/streaming/lobby/events/", "/streaming/lobby/ or /streaming/lobby/sse/"),
    ("/sse/lobby/", "/streaming/lobby/sse/"),
    ("/publish/lobby", "/publish/lobby/"),
    ("/Polling/Lobby/", "/polling/lobby/"),
    ("/websocket/lobby", "/websocket/lobby/"),
    ("/polling/no%20room", "/polling/<room>/"),
]


async def test_near_misses_name_the_right_path(http: httpx.AsyncClient) -> None:
    for path, expected in NEAR_MISSES:
        url = str(http.base_url).rstrip("/") + path
        check_problem(await http.get(url), 404, f"must be {expected};")


async def test_near_misses_of_a_socket_name_the_right_path(http: httpx.AsyncClient) -> None:
    url = "ws" + str(http.base_url).rstrip("/").removeprefix("http")
    for path, detail in (
        ("/websocket/lobby", b"must be /websocket/lobby/;"),
        ("/polling/lobby/", b"must be /websocket/lobby/;"),
        ("/nothing/here/", b""),
    ):
        with pytest.raises(InvalidStatus) as rejection:
            async with connect(url + path):
                pass
        response = rejection.value.response
        # A server without the extension for a response answers 403.
        assert response.status_code == 403 or (
            response.status_code == 404 and detail in (response.body or b"")
        )


async def test_publishing_by_get_is_rejected(http: httpx.AsyncClient, room: str) -> None:
    response = await http.get(f"/publish/{room}/")
    check_problem(response, 405, "POST")
    assert response.headers["allow"] == "POST"


async def test_python_clients_raise_the_servers_problem(
    technique: Technique, server_url: str
) -> None:
    """The Python clients stop after a final error, and raise it with the server's detail."""
    for room, since, status in (("UPPER", None, 404), ("staff-x", None, 403), ("r", "bad!", 400)):
        if since and technique.name == "sse":
            continue  # a reset, since a browser does not reconnect after a 400
        with pytest.raises(Rejected) as rejection:
            async with asyncio.timeout(BOUND):
                await anext(events_of(technique, server_url, room, since))
        assert rejection.value.status == status
        assert rejection.value.detail


# --- WebSocket ---------------------------------------------------------------------------------


def open_socket(
    technique: Technique, http: httpx.AsyncClient, room: str, query: str = "", **options: Any
) -> connect:
    url = "ws" + str(http.base_url).rstrip("/").removeprefix("http") + technique.url_path(room)
    return connect(url + query, compression=None, **options)


async def next_message(socket: ClientConnection) -> Any:
    async with asyncio.timeout(BOUND):
        return json.loads(await socket.recv())


BAD_FRAMES: list[tuple[str | bytes, str]] = [
    ("", "json"),
    ("{", "json"),
    ("[]", "json"),
    ("[" * 20_000, "json"),
    ("{}", "type"),
    ('{"type": "shout", "room": "r"}', "type"),
    ('{"type": ["publish"], "room": "r"}', "type"),
    ('{"type": "publish"}', "room"),
    ('{"type": "publish", "room": 7}', "room"),
    ('{"type": "publish", "room": "UPPER", "sender": "ada", "text": "hi"}', "room"),
    ('{"type": "publish", "room": "staff-x", "sender": "ada", "text": "hi"}', "room"),
    ('{"type": "publish", "room": "ROOM", "sender": "ada", "text": ""}', "text"),
    ('{"type": "publish", "room": "ROOM", "text": "hi"}', "sender"),
    ('{"type": "publish", "room": "ROOM", "sender": "ada", "text": "\\ud800"}', "text"),
    ('{"type": "join", "room": "ROOM"}', "joined"),
    ('{"type": "join", "room": "other", "since": "bad"}', "cursor"),
    ('{"type": "join", "room": "other", "since": 7}', "cursor"),
    ('{"type": "join", "room": "staff-x"}', "room"),
    ('{"type": "leave", "room": "other"}', "left"),
    (b"\x00\x01", "binary"),
    ('\ufeff{"type": "publish", "room": "ROOM", "sender": "ada", "text": "hi"}', "json"),
    ('{"type": "publish", "room": "ROOM", "sender": "ada", "text": "hi", "x": NaN}', "json"),
    ('{"type": "publish", "room": "ROOM", "sender": "ada", "text": "hi", "text": "hi"}', "json"),
]


async def test_invalid_frames_get_an_error_message(
    http: httpx.AsyncClient, socket_technique: Technique, room: str
) -> None:
    async with open_socket(socket_technique, http, room) as socket:
        assert (await next_message(socket))["events"] == []
        for frame, code in BAD_FRAMES:
            await socket.send(frame.replace("ROOM", room) if isinstance(frame, str) else frame)
            error = await next_message(socket)
            assert (error["type"], error["code"]) == ("error", code), frame
            assert len(error["detail"]) > 10
        # The socket stays open and works.
        (event,) = await publish(http, room, ["still here"])
        assert (await next_message(socket))["events"] == [json.loads(event.encoded)]
        assert event.cursor.seq == 1, "a rejected publish leaves no event"


@pytest.mark.parametrize(
    ("room_name", "query", "code"),
    [("UPPER", "", 4404), ("staff-x", "", 4403), ("r", "?since=bad", 4400)],
)
async def test_a_rejected_handshake_closes_with_a_reason(
    http: httpx.AsyncClient, socket_technique: Technique, room_name: str, query: str, code: int
) -> None:
    async with open_socket(socket_technique, http, room_name, query) as socket:
        closed = await close_of(socket)
    assert closed.code == code
    assert len(closed.reason) > 10


async def test_a_socket_of_another_origin_is_rejected(
    http: httpx.AsyncClient, socket_technique: Technique, room: str
) -> None:
    for origin in FOREIGN[:-1]:  # the last is malformed: 400 from the WebSocket library
        with pytest.raises(InvalidStatus) as rejection:
            async with open_socket(socket_technique, http, room, origin=origin):
                pass
        assert rejection.value.response.status_code == 403


async def test_a_socket_of_the_servers_origin_opens(
    http: httpx.AsyncClient, socket_technique: Technique, room: str
) -> None:
    origin: Any = same_origin(http)
    async with open_socket(socket_technique, http, room, origin=origin) as socket:
        assert (await next_message(socket))["room"] == room


async def test_a_socket_joins_many_rooms(
    http: httpx.AsyncClient, socket_technique: Technique, room: str
) -> None:
    other = f"{room}-other"
    (earlier, missed) = await publish(http, other, ["earlier", "missed"])
    async with open_socket(socket_technique, http, room) as socket:
        assert (await next_message(socket))["room"] == room
        await socket.send(json.dumps({"type": "join", "room": other, "since": earlier.id}))
        joined = await next_message(socket)
        assert (joined["room"], [e["id"] for e in joined["events"]]) == (other, [missed.id])
        for name in (room, other):
            message = {"type": "publish", "room": name, "sender": "ada", "text": f"to {name}"}
            await socket.send(json.dumps(message))
            batch = await next_message(socket)
            (event,) = batch["events"]
            assert (batch["room"], event["text"], event["sender"]) == (name, f"to {name}", "ada")
        await socket.send(json.dumps({"type": "leave", "room": other}))
        # The error for leaving twice proves that the first command has been handled.
        await socket.send(json.dumps({"type": "leave", "room": other}))
        assert (await next_message(socket))["code"] == "left"
        await publish(http, other, ["not for this socket"])
        (event,) = await publish(http, room, ["to us"])
        assert (await next_message(socket))["events"] == [json.loads(event.encoded)]
