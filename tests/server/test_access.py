"""Who may come in, and stay in, over a live server: every technique alike."""

from __future__ import annotations

import asyncio
import json
import socket
import time
import uuid
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import aclosing, asynccontextmanager
from datetime import timedelta
from typing import Any

import httpx
import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed
from websockets.typing import Subprotocol

from tests.support.accounts import Accounts
from tests.support.live import LiveServer
from tests.support.raw import RawConnection, headers_of
from tests.support.redis_server import RedisServer
from tests.support.waiting import in_time_async, until_asked
from transports.auth import tokens
from transports.client import BackOff, Rejected
from transports.registry import TECHNIQUES, Technique

pytestmark = [pytest.mark.own_server]

BOUND = 20.0  # seconds
SOON = 5.0  # seconds within which a connection ends that may no longer be
OPEN = [technique for technique in TECHNIQUES if technique.name != "polling"]
SOCKETS = [technique for technique in TECHNIQUES if technique.scheme == "ws"]
by_technique = pytest.mark.parametrize("technique", TECHNIQUES, ids=lambda one: one.name)


@pytest.fixture(scope="module")
def accounts(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Accounts]:
    with Accounts(tmp_path_factory.mktemp("accounts")) as accounts:
        yield accounts


@pytest.fixture(scope="module")
def server(accounts: Accounts) -> Iterator[LiveServer]:
    with LiveServer(env={**accounts.env, "HEARTBEAT": "30"}) as server:
        yield server


@pytest.fixture
def user(accounts: Accounts) -> str:
    name = f"u{uuid.uuid4().hex[:10]}"
    accounts.user(name)
    return name


@pytest.fixture
def staff(accounts: Accounts) -> str:
    name = f"s{uuid.uuid4().hex[:10]}"
    accounts.user(name, is_staff=True)
    return name


@pytest.fixture
def staff_room(room: str) -> str:
    return f"staff-{room}"


@pytest.fixture
async def http(server: LiveServer) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=server.url, timeout=30) as client:
        yield client


def events_of(technique: Technique, server: LiveServer, room: str, **options: Any) -> Any:
    options.setdefault("back_off", BackOff(first=0.01, most=0.05))
    if technique.name == "polling":
        options.setdefault("interval", 0.05)
    return technique.events(server.url, room, **options)


def check_401(response: httpx.Response) -> None:
    assert response.status_code == 401, response.text
    assert response.headers["www-authenticate"] == 'Bearer error="invalid_token"'
    assert response.headers["content-type"] == "application/problem+json"
    assert response.json()["code"] == "token"


# --- Coming in ---------------------------------------------------------------------------------


@by_technique
async def test_a_token_opens_a_staff_room(
    technique: Technique,
    server: LiveServer,
    accounts: Accounts,
    staff: str,
    staff_room: str,
    http: httpx.AsyncClient,
) -> None:
    headers = accounts.token(staff)
    said = await http.post(f"/publish/{staff_room}/", json={"text": "hush"}, headers=headers)
    assert (said.status_code, said.json()["sender"]) == (201, staff)
    async with (
        asyncio.timeout(BOUND),
        aclosing(events_of(technique, server, staff_room, headers=headers)) as events,
    ):
        assert (await anext(events)).text == "hush"


@by_technique
async def test_a_session_opens_a_staff_room(
    technique: Technique, server: LiveServer, accounts: Accounts, staff: str, staff_room: str
) -> None:
    headers = accounts.session(staff)
    async with httpx.AsyncClient(base_url=server.url) as http:
        said = await http.post(f"/publish/{staff_room}/", json={"text": "hush"}, headers=headers)
        assert said.status_code == 201
    async with (
        asyncio.timeout(BOUND),
        aclosing(events_of(technique, server, staff_room, headers=headers)) as events,
    ):
        assert (await anext(events)).sender == staff


async def refused(technique: Technique, server: LiveServer, room: str, **options: Any) -> Rejected:
    with pytest.raises(Rejected) as found:
        async with (
            asyncio.timeout(BOUND),
            aclosing(events_of(technique, server, room, **options)) as events,
        ):
            await anext(events)
    return found.value


def forged(headers: dict[str, str]) -> dict[str, str]:
    head, _, signature = headers["Authorization"].rpartition(".")
    return {"Authorization": f"{head}.{signature[:-1]}{'A' if signature[-1] != 'A' else 'B'}"}


@by_technique
async def test_invalid_tokens_are_rejected(
    technique: Technique, server: LiveServer, accounts: Accounts, user: str, room: str
) -> None:
    good = accounts.token(user)
    expired = accounts.token(user, timedelta(seconds=-1))
    revoked = accounts.token(user)
    revoke(accounts, revoked)
    for bad in (forged(good), {"Authorization": "Bearer x"}, expired, revoked):
        error = await refused(technique, server, room, headers=bad)
        assert error.status == 401
        assert "oken" in error.detail


async def test_an_invalid_token_gets_a_401_problem(
    http: httpx.AsyncClient, accounts: Accounts, user: str, room: str
) -> None:
    bad = forged(accounts.token(user))
    for path in (f"/polling/{room}/", f"/longpoll/{room}/", f"/streaming/{room}/"):
        check_401(await http.get(path, headers=bad))
    said = {"text": "hi", "sender": "ada"}
    check_401(await http.post(f"/publish/{room}/", json=said, headers=bad))
    # Another scheme is a proxy's affair; and the page has no use for tokens.
    basic = {"Authorization": "Basic YTpi"}
    assert (await http.get(f"/polling/{room}/", headers=basic)).status_code == 200
    assert (await http.get("/", headers=bad)).status_code == 200


async def test_a_deactivated_users_token_is_rejected(
    http: httpx.AsyncClient, accounts: Accounts, user: str, room: str
) -> None:
    headers = accounts.token(user)
    assert (await http.get(f"/polling/{room}/", headers=headers)).status_code == 200
    accounts.user(user, is_active=False)
    check_401(await http.get(f"/polling/{room}/", headers=headers))


@pytest.mark.parametrize("technique", TECHNIQUES, ids=lambda one: one.name)
@pytest.mark.parametrize("name", ["token", "access_token"])
async def test_a_token_in_the_url_is_rejected(
    technique: Technique, name: str, server: LiveServer, http: httpx.AsyncClient, room: str
) -> None:
    path = f"{technique.url_path(room)}?{name}=x"
    if technique.scheme == "http":
        response = await http.get(path)
        assert response.status_code == 400
        assert "URL" in response.json()["detail"]
    else:
        async with connect(server.ws_url + path) as socket:
            with pytest.raises(ConnectionClosed) as closed:
                await socket.recv()
        assert closed.value.rcvd is not None
        assert closed.value.rcvd.code == 4400
        assert "URL" in closed.value.rcvd.reason


@pytest.mark.parametrize("technique", SOCKETS, ids=lambda one: one.name)
async def test_a_token_is_accepted_as_a_subprotocol(
    technique: Technique, server: LiveServer, accounts: Accounts, staff: str, staff_room: str
) -> None:
    token = accounts.token(staff)["Authorization"].removeprefix("Bearer ")
    url = server.ws_url + technique.url_path(staff_room)
    offered = [Subprotocol("realtime.v1"), Subprotocol(f"token.{token}")]
    async with asyncio.timeout(BOUND), connect(url, subprotocols=offered) as socket:
        assert socket.subprotocol == "realtime.v1"
        assert json.loads(await socket.recv())["room"] == staff_room
    for bad in (f"token.{token}x", "token."):
        offered = [Subprotocol("realtime.v1"), Subprotocol(bad)]
        async with asyncio.timeout(BOUND), connect(url, subprotocols=offered) as socket:
            assert socket.subprotocol == "realtime.v1"
            with pytest.raises(ConnectionClosed) as closed:
                await socket.recv()
        assert closed.value.rcvd is not None
        assert closed.value.rcvd.code == 4401


# --- Staying in --------------------------------------------------------------------------------


def revoke(accounts: Accounts, headers: dict[str, str]) -> None:
    from transports.auth.models import Token

    text = headers["Authorization"].removeprefix("Bearer ")
    identity = tokens.read(text, even_expired=True).id
    accounts.now(lambda: Token.objects.filter(id=identity).delete())


def log_out(accounts: Accounts, headers: dict[str, str]) -> None:
    from django.contrib.sessions.models import Session

    key = headers["Cookie"].partition("=")[2]
    accounts.now(lambda: Session.objects.filter(session_key=key).delete())


class Follower:
    """One connection of a technique, by its own means: what came, and how it ended."""

    def __init__(
        self, technique: Technique, server: LiveServer, room: str, headers: dict[str, str]
    ) -> None:
        self.technique = technique
        self.url = server.url if technique.scheme == "http" else server.ws_url
        self.url += technique.url_path(room)
        self.headers = headers
        self.is_open = asyncio.Event()
        self.task = asyncio.create_task(self._follow())

    async def opened(self) -> Follower:
        async with asyncio.timeout(BOUND):
            await self.is_open.wait()
        return self

    async def ended(self) -> Any:
        """A status, a close code and reason, or "end" for a stream's orderly end."""
        async with asyncio.timeout(BOUND):
            return await self.task

    async def _follow(self) -> Any:
        if self.technique.scheme == "ws":
            async with connect(self.url, additional_headers=self.headers) as socket:
                try:
                    while True:
                        await socket.recv()
                        self.is_open.set()
                except ConnectionClosed as closed:
                    assert closed.rcvd is not None
                    assert len(closed.rcvd.reason) > 10
                    return closed.rcvd.code
        async with httpx.AsyncClient(timeout=60, headers=self.headers) as http:
            if self.technique.name == "longpoll":
                since = (await http.get(self.url, params={"wait": "0"})).json()["cursor"]
                asyncio.get_running_loop().call_later(0.3, self.is_open.set)
                return (await http.get(self.url, params={"since": since})).status_code
            async with http.stream("GET", self.url) as response:
                assert response.status_code == 200
                async for _ in response.aiter_bytes():
                    self.is_open.set()
                return "end"


def status_of(technique: Technique, status: int) -> Any:
    if technique.scheme == "ws":
        return 4000 + status
    return status if technique.name == "longpoll" else "end"


Ending = Callable[[Accounts, str, dict[str, str]], None]
ENDINGS: dict[str, tuple[str, int, Ending]] = {
    "revocation": ("token", 401, lambda accounts, _, headers: revoke(accounts, headers)),
    "logout": ("session", 401, lambda accounts, _, headers: log_out(accounts, headers)),
    "demotion": ("session", 403, lambda accounts, name, _: accounts.user(name, is_staff=False)),
    "demotion, token": (
        "token",
        403,
        lambda accounts, name, _: accounts.user(name, is_staff=False),
    ),
    "deactivation": (
        "session",
        401,
        lambda accounts, name, _: accounts.user(name, is_active=False),
    ),
    "password": ("session", 401, lambda accounts, name, _: accounts.user(name, password="new")),
}


@asynccontextmanager
async def followers(
    server: LiveServer, room: str, headers: dict[str, str]
) -> AsyncIterator[list[Follower]]:
    """One of each technique, all open."""
    found = [Follower(technique, server, room, headers) for technique in OPEN]
    try:
        for follower in found:
            await follower.opened()
        yield found
    finally:
        for follower in found:
            follower.task.cancel()
        await asyncio.gather(*(follower.task for follower in found), return_exceptions=True)


@pytest.mark.parametrize("ending", ENDINGS)
async def test_connections_end_with_their_permission(
    ending: str, server: LiveServer, accounts: Accounts, staff: str, staff_room: str, room: str
) -> None:
    means, status, end = ENDINGS[ending]

    async def all_end_soon() -> None:
        accounts.user(staff, is_staff=True, is_active=True)
        headers = getattr(accounts, means)(staff)
        async with (
            followers(server, staff_room, headers) as inside,
            followers(server, room, headers) as elsewhere,
            followers(server, room, {}) as nobodies,
        ):
            begun = time.monotonic()
            end(accounts, staff, headers)
            # Of a demoted user only what is in a staff room ends.
            for follower in [*inside, *(elsewhere if status == 401 else [])]:
                assert await follower.ended() == status_of(follower.technique, status)
            assert time.monotonic() - begun < SOON
            # The sweep that has ended those has left the others alone.
            assert not any(follower.task.done() for follower in nobodies)
            assert status == 401 or not any(follower.task.done() for follower in elsewhere)

    await in_time_async(0.5, all_end_soon)


async def test_an_unsent_response_becomes_401_after_revocation(
    server: LiveServer, accounts: Accounts, user: str, room: str, http: httpx.AsyncClient
) -> None:
    """Pipelined polls that the client does not read: the one that waits to be sent is a 401."""
    headers = accounts.token(user)
    for _ in range(50):
        said = {"text": "\N{PARTY POPPER}" * 2000, "sender": "ada"}
        assert (await http.post(f"/publish/{room}/", json=said)).status_code == 201
    waiting = 0

    async def one_poll_waits() -> bool:
        nonlocal waiting
        found = (await http.get("/metrics")).text
        waiting = waiting + 1 if 'realtime_connections{technique="polling"} 1.0\n' in found else 0
        return waiting == 3

    asked = 30  # 400 KB each: more than the kernel takes
    ask = f"GET /polling/{room}/ HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: %s\r\n\r\n"
    raw = socket.create_connection(("127.0.0.1", server.port))
    raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65_536)
    async with RawConnection(*await asyncio.open_connection(sock=raw)) as reader:
        reader.writer.write((ask % headers["Authorization"]).encode() * asked)
        await until_asked(one_poll_waits)
        held = Follower(TECHNIQUES[1], server, room, headers)
        await held.opened()
        revoke(accounts, headers)
        assert await held.ended() == 401  # by the sweep that has ended the other as well
        statuses = []
        for _ in range(asked):
            head = (await reader.until(b"\r\n\r\n")).decode().split("\r\n")
            body = await reader.exactly(int(headers_of(head)["content-length"]))
            status = int(head[0].split()[1])
            document = json.loads(body)
            assert document["room"] == room if status == 200 else document["status"] == status
            statuses.append(status)
    sent = statuses.index(401)
    assert sent > 0
    assert statuses == [200] * sent + [401] * (asked - sent)


async def test_an_expired_token_ends_open_connections(
    server: LiveServer, accounts: Accounts, user: str, room: str
) -> None:
    async def all_end() -> None:
        headers = accounts.token(user, timedelta(seconds=3))
        async with followers(server, room, headers) as inside:
            for follower in inside:
                assert await follower.ended() == status_of(follower.technique, 401)

    await in_time_async(0.5, all_end)  # all of them are open before it expires


async def test_clients_stop_after_revocation(
    server: LiveServer,
    http: httpx.AsyncClient,
    accounts: Accounts,
    staff: str,
    staff_room: str,
) -> None:
    headers = accounts.token(staff)
    said = accounts.token(staff)
    await http.post(f"/publish/{staff_room}/", json={"text": "hush"}, headers=said)
    streams = [
        events_of(technique, server, staff_room, headers=headers) for technique in TECHNIQUES
    ]
    async with asyncio.timeout(BOUND):
        assert {(await anext(events)).text for events in streams} == {"hush"}
        revoke(accounts, headers)
        ends = await asyncio.gather(*(anext(events) for events in streams), return_exceptions=True)
    assert [end.status for end in ends if isinstance(end, Rejected)] == [401] * len(TECHNIQUES)
    for events in streams:
        await events.aclose()


async def test_a_demoted_users_socket_keeps_its_public_room(
    server: LiveServer, accounts: Accounts, staff: str, room: str
) -> None:
    """A socket with no staff room stays open, but may enter none any more."""
    headers = accounts.session(staff)
    url = server.ws_url + f"/websocket/{room}/"
    async with asyncio.timeout(BOUND), connect(url, additional_headers=headers) as socket:
        await socket.recv()
        joined = f"staff-{room}"
        await socket.send(json.dumps({"type": "join", "room": joined}))
        assert json.loads(await socket.recv())["room"] == joined
        for _ in range(2):  # the error for leaving twice is the proof that leaving once is done
            await socket.send(json.dumps({"type": "leave", "room": joined}))
        assert json.loads(await socket.recv())["code"] == "left"
        inside = await Follower(SOCKETS[0], server, joined, headers).opened()
        accounts.user(staff, is_staff=False)
        assert await inside.ended() == 4403  # by the sweep that has looked at this one as well
        await socket.send(json.dumps({"type": "join", "room": joined}))
        assert json.loads(await socket.recv())["code"] == "room"
        await socket.send(json.dumps({"type": "publish", "room": room, "text": "still here"}))
        assert json.loads(await socket.recv())["events"][0]["text"] == "still here"


# --- Changing what was said --------------------------------------------------------------------


@pytest.fixture(scope="module")
def redis_access_server(accounts: Accounts, redis_server: RedisServer) -> Iterator[LiveServer]:
    with LiveServer(env={**accounts.env, "REDIS_URL": redis_server.url}) as server:
        yield server


@pytest.fixture(params=["memory", pytest.param("redis", marks=pytest.mark.redis)])
def either_server(request: pytest.FixtureRequest) -> LiveServer:
    """The server with accounts, over each history."""
    name = "server" if request.param == "memory" else "redis_access_server"
    found: LiveServer = request.getfixturevalue(name)
    return found


async def test_an_author_edits_and_deletes(
    either_server: LiveServer, accounts: Accounts, user: str, room: str
) -> None:
    headers = accounts.token(user)
    async with httpx.AsyncClient(base_url=either_server.url, headers=headers) as http:
        path = f"/publish/{room}/"
        said = (await http.post(path, json={"text": "helo"})).json()
        assert (said["sender"], said["verified"]) == (user, True)
        edited = await http.post(path, json={"type": "edit", "of": said["id"], "text": "hello"})
        deleted = await http.post(path, json={"type": "delete", "of": said["id"]})
        assert (edited.status_code, deleted.status_code) == (201, 201)
        epoch, _, seq = said["id"].rpartition("-")
        expected = [
            said,
            edited.json()
            | {"id": f"{epoch}-{int(seq) + 1}", "type": "edit", "of": said["id"], "text": "hello"},
            deleted.json()
            | {"id": f"{epoch}-{int(seq) + 2}", "type": "delete", "of": said["id"], "text": ""},
        ]
    for technique in TECHNIQUES:
        stream = events_of(technique, either_server, room)
        async with asyncio.timeout(BOUND), aclosing(stream) as events:
            assert [json.loads((await anext(events)).encoded) for _ in expected] == expected


async def test_only_author_and_staff_may_change_an_event(
    either_server: LiveServer, accounts: Accounts, user: str, staff: str, room: str
) -> None:
    other = f"o{uuid.uuid4().hex[:10]}"
    accounts.user(other)
    path = f"/publish/{room}/"
    async with httpx.AsyncClient(base_url=either_server.url) as http:

        async def say(text: str, sender: str = "", **headers: str) -> str:
            said = await http.post(path, json={"text": text, "sender": sender}, headers=headers)
            return str(said.json()["id"])

        async def delete(of: Any, headers: dict[str, str]) -> int:
            change = {"type": "delete", "of": of}
            return (await http.post(path, json=change, headers=headers)).status_code

        author, stranger = accounts.session(user), accounts.token(other)
        own = await say("mine", **author)
        borrowed = await say("not really theirs", sender=user)
        assert await delete(own, {}) == 401
        assert await delete(own, stranger) == 403
        # The name alone proves nothing.
        assert await delete(borrowed, author) == 403
        assert await delete(own, author) == 201
        for id in (own, borrowed):
            assert await delete(id, accounts.token(staff)) == 201
        # What changes something cannot itself be changed; and what is not there, neither.
        epoch, _, seq = own.rpartition("-")
        for id in (f"{epoch}-{int(seq) + 2}", f"{epoch}-999", f"{epoch}-0", "zzzz-1"):
            assert await delete(id, accounts.token(staff)) == 404
        bad: tuple[Any, ...] = ("bad", "", None, 7, [own])
        for of in bad:
            assert await delete(of, author) == 400


@pytest.mark.redis
async def test_a_change_can_be_retried_after_its_event_was_trimmed(
    redis_access_server: LiveServer,
    redis_server: RedisServer,
    accounts: Accounts,
    user: str,
    staff: str,
    room: str,
) -> None:
    author, other, path = accounts.token(user), accounts.token(staff), f"/publish/{room}/"

    def keep_one() -> None:
        redis_server.client.xtrim(f"realtime:room:{room}", maxlen=1, approximate=False)

    async with httpx.AsyncClient(base_url=redis_access_server.url) as http:

        async def edit(user: dict[str, str], key: str, text: str = "hello") -> httpx.Response:
            change = {"type": "edit", "of": said.json()["id"], "text": text}
            return await http.post(path, json=change, headers={**user, "Idempotency-Key": key})

        said = await http.post(path, json={"text": "helo"}, headers=author)
        first = await edit(author, "k")
        assert first.status_code == 201
        keep_one()
        again = await edit(author, "k")
        assert (again.status_code, again.json()) == (201, first.json())
        assert (await edit(author, "k", "something else")).status_code == 422
        # The key is its user's own; and without it what is there no more cannot be changed.
        assert (await edit(other, "k")).status_code == 404
        assert (await edit(author, "another")).status_code == 404
        await http.post(path, json={"text": "next"}, headers=author)
        keep_one()
        assert (await edit(author, "k")).status_code == 409


@pytest.mark.parametrize("technique", SOCKETS, ids=lambda one: one.name)
async def test_an_author_edits_and_deletes_on_a_socket(
    technique: Technique, server: LiveServer, accounts: Accounts, user: str, room: str
) -> None:
    headers, url = accounts.token(user), server.ws_url + technique.url_path(room)
    async with asyncio.timeout(BOUND), connect(url, additional_headers=headers) as socket:

        async def said(**message: str) -> Any:
            await socket.send(json.dumps({"room": room, **message}))
            (event,) = json.loads(await socket.recv())["events"]
            return event

        await socket.recv()
        own = (await said(type="publish", text="helo"))["id"]
        edited = await said(type="edit", of=own, text="hello")
        assert (edited["type"], edited["of"], edited["text"]) == ("edit", own, "hello")
        deleted = await said(type="delete", of=own)
        assert (deleted["type"], deleted["of"], deleted["text"]) == ("delete", own, "")


# --- Who is here -------------------------------------------------------------------------------


async def test_a_user_is_present_under_their_own_name(
    either_server: LiveServer, accounts: Accounts, staff: str, staff_room: str
) -> None:
    headers = accounts.token(staff)
    async with httpx.AsyncClient(base_url=either_server.url) as http:
        path = f"/polling/{staff_room}/?name=someone-else"
        events = (await http.get(path, headers=headers)).json()["events"]
        assert [(event["type"], event["sender"]) for event in events] == [("join", staff)]

        async def people(headers: dict[str, str]) -> dict[str, list[str]]:
            rooms = (await http.get("/rooms/", headers=headers)).json()["rooms"]
            return {room["room"]: room["people"] for room in rooms}

        async def is_listed() -> bool:
            return (await people(headers)).get(staff_room) == [staff]

        await until_asked(is_listed)
        assert staff_room not in await people({})


# --- Limits ------------------------------------------------------------------------------------


async def test_connections_per_address_are_limited(accounts: Accounts, room: str) -> None:
    env = {**accounts.env, "MAX_CONNECTIONS_PER_ADDRESS": "3", "BEHIND_PROXY": "1"}
    with LiveServer(env=env) as server:
        here, elsewhere = {"X-Forwarded-For": "192.0.2.1"}, {"X-Forwarded-For": "192.0.2.2"}
        path = f"/streaming/{room}/"
        async with httpx.AsyncClient(base_url=server.url, timeout=30) as http:
            streams = [http.stream("GET", path, headers=here) for _ in range(3)]
            for stream in streams:
                assert (await stream.__aenter__()).status_code == 200
            for poll in ("polling", "longpoll", "streaming"):
                refused = await http.get(f"/{poll}/{room}/", headers=here)
                assert (refused.status_code, refused.headers["retry-after"]) == (429, "5")
                assert refused.headers["content-type"] == "application/problem+json"
                assert "3 connections" in refused.json()["detail"]
            assert (await http.get("/", headers=here)).status_code == 200
            assert (await http.get(f"/polling/{room}/", headers=elsewhere)).status_code == 200
            url = f"{server.ws_url}/websocket/{room}/"
            async with connect(url, additional_headers=here) as socket:
                with pytest.raises(ConnectionClosed) as closed:
                    await socket.recv()
            assert closed.value.rcvd is not None
            assert closed.value.rcvd.code == 4429
            for stream in streams:
                await stream.__aexit__(None, None, None)

            async def is_let_in() -> bool:
                return (await http.get(f"/polling/{room}/", headers=here)).status_code == 200

            await until_asked(is_let_in)
