"""Authentication and permissions over a live server, for every technique."""

from __future__ import annotations

import asyncio
import json
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

from tests.contract.feeds import entry_of
from tests.support.accounts import Accounts
from tests.support.live import LiveServer
from tests.support.raw import RawConnection, headers_of
from tests.support.redis_server import RedisServer
from tests.support.sockets import close_of
from tests.support.techniques import SOCKETS, WAITING
from tests.support.waiting import BOUND, repeated_after_a_stall, until_async
from transports.auth import tokens
from transports.client import BackOff, Rejected
from transports.registry import TECHNIQUES, Technique

pytestmark = [pytest.mark.own_server]

SOON = 5.0  # seconds within which a connection ends after its permission


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
def server_url(server: LiveServer) -> str:
    return server.url


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


# --- Opening -----------------------------------------------------------------------------------


@pytest.mark.parametrize("credential", ["token", "session"])
async def test_a_token_or_a_session_opens_a_staff_room(
    technique: Technique,
    credential: str,
    server: LiveServer,
    accounts: Accounts,
    staff: str,
    staff_room: str,
    http: httpx.AsyncClient,
) -> None:
    headers = getattr(accounts, credential)(staff)
    response = await http.post(f"/publish/{staff_room}/", json={"text": "hush"}, headers=headers)
    assert response.status_code == 201, response.text
    async with (
        asyncio.timeout(BOUND),
        aclosing(events_of(technique, server, staff_room, headers=headers)) as events,
    ):
        event = await anext(events)
        assert (event.sender, event.text) == (staff, "hush")


async def rejection_of(
    technique: Technique, server: LiveServer, room: str, **options: Any
) -> Rejected:
    with pytest.raises(Rejected) as rejection:
        async with (
            asyncio.timeout(BOUND),
            aclosing(events_of(technique, server, room, **options)) as events,
        ):
            await anext(events)
    return rejection.value


def forged(headers: dict[str, str]) -> dict[str, str]:
    head, _, signature = headers["Authorization"].rpartition(".")
    return {"Authorization": f"{head}.{signature[:-1]}{'A' if signature[-1] != 'A' else 'B'}"}


async def test_invalid_tokens_are_rejected(
    technique: Technique, server: LiveServer, accounts: Accounts, user: str, room: str
) -> None:
    valid = accounts.token(user)
    expired = accounts.token(user, timedelta(seconds=-1))
    revoked = accounts.token(user)
    revoke(accounts, revoked)
    for invalid in (forged(valid), {"Authorization": "Bearer x"}, expired, revoked):
        error = await rejection_of(technique, server, room, headers=invalid)
        assert error.status == 401
        assert "oken" in error.detail


async def test_an_invalid_token_gets_a_401_problem(
    http: httpx.AsyncClient, accounts: Accounts, user: str, room: str
) -> None:
    invalid = forged(accounts.token(user))
    for path in (f"/polling/{room}/", f"/longpoll/{room}/", f"/streaming/{room}/"):
        check_401(await http.get(path, headers=invalid))
    document = {"text": "hi", "sender": "ada"}
    check_401(await http.post(f"/publish/{room}/", json=document, headers=invalid))
    # Other schemes are for a proxy, and the page ignores tokens.
    basic = {"Authorization": "Basic YTpi"}
    assert (await http.get(f"/polling/{room}/", headers=basic)).status_code == 200
    assert (await http.get("/", headers=invalid)).status_code == 200


async def test_a_deactivated_users_token_is_rejected(
    http: httpx.AsyncClient, accounts: Accounts, user: str, room: str
) -> None:
    headers = accounts.token(user)
    assert (await http.get(f"/polling/{room}/", headers=headers)).status_code == 200
    accounts.user(user, is_active=False)
    check_401(await http.get(f"/polling/{room}/", headers=headers))


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
            closed = await close_of(socket)
        assert closed.code == 4400
        assert "URL" in closed.reason


async def test_a_token_is_accepted_as_a_subprotocol(
    socket_technique: Technique, server: LiveServer, accounts: Accounts, staff: str, staff_room: str
) -> None:
    token = accounts.token(staff)["Authorization"].removeprefix("Bearer ")
    url = server.ws_url + socket_technique.url_path(staff_room)
    offered = [Subprotocol("realtime.v1"), Subprotocol(f"token.{token}")]
    async with asyncio.timeout(BOUND), connect(url, subprotocols=offered) as socket:
        assert socket.subprotocol == "realtime.v1"
        assert json.loads(await socket.recv())["room"] == staff_room
    for invalid in (f"token.{token}x", "token."):
        offered = [Subprotocol("realtime.v1"), Subprotocol(invalid)]
        async with asyncio.timeout(BOUND), connect(url, subprotocols=offered) as socket:
            assert socket.subprotocol == "realtime.v1"
            assert (await close_of(socket)).code == 4401


# --- While open --------------------------------------------------------------------------------


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
    """A connection of a technique, without its Python client, and how it ended."""

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
        """Return a status, a close code, or "end" for a stream's orderly end."""
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
    """Yield an open follower of each technique."""
    clients = [Follower(technique, server, room, headers) for technique in WAITING]
    try:
        for follower in clients:
            await follower.opened()
        yield clients
    finally:
        for follower in clients:
            follower.task.cancel()
        await asyncio.gather(*(follower.task for follower in clients), return_exceptions=True)


@pytest.mark.parametrize("ending", ENDINGS)
@repeated_after_a_stall(0.5)
async def test_connections_end_with_their_permission(
    ending: str, server: LiveServer, accounts: Accounts, staff: str, staff_room: str, room: str
) -> None:
    credential, status, end = ENDINGS[ending]
    accounts.user(staff, is_staff=True, is_active=True)
    headers = getattr(accounts, credential)(staff)
    async with (
        followers(server, staff_room, headers) as inside,
        followers(server, room, headers) as elsewhere,
        followers(server, room, {}) as anonymous,
    ):
        started = time.monotonic()
        end(accounts, staff, headers)
        # A demoted user loses only the connections to staff rooms.
        for follower in [*inside, *(elsewhere if status == 401 else [])]:
            assert await follower.ended() == status_of(follower.technique, status)
        assert time.monotonic() - started < SOON
        # That sweep has not ended the others.
        assert not any(follower.task.done() for follower in anonymous)
        assert status == 401 or not any(follower.task.done() for follower in elsewhere)


async def test_an_unsent_response_becomes_401_after_revocation(
    server: LiveServer, accounts: Accounts, user: str, room: str, http: httpx.AsyncClient
) -> None:
    """The client does not read its pipelined polls: those not sent yet become 401."""
    headers = accounts.token(user)
    for _ in range(50):
        message = {"text": "\N{PARTY POPPER}" * 2000, "sender": "ada"}
        assert (await http.post(f"/publish/{room}/", json=message)).status_code == 201
    waiting = 0

    async def one_poll_waits() -> bool:
        nonlocal waiting
        metrics = (await http.get("/metrics")).text
        waiting = waiting + 1 if 'realtime_connections{technique="polling"} 1.0\n' in metrics else 0
        return waiting == 3

    requests = 30  # 400 KB each: more than the kernel takes
    request = f"GET /polling/{room}/ HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: %s\r\n\r\n"
    async with await RawConnection.open(server.url, receive_buffer=65_536) as reader:
        reader.writer.write((request % headers["Authorization"]).encode() * requests)
        await until_async(one_poll_waits)
        long_poll = Follower(TECHNIQUES[1], server, room, headers)
        await long_poll.opened()
        revoke(accounts, headers)
        assert await long_poll.ended() == 401  # by the sweep that also ends the polls
        statuses = []
        for _ in range(requests):
            head = (await reader.until(b"\r\n\r\n")).decode().split("\r\n")
            body = await reader.exactly(int(headers_of(head)["content-length"]))
            status = int(head[0].split()[1])
            document = json.loads(body)
            assert document["room"] == room if status == 200 else document["status"] == status
            statuses.append(status)
    sent = statuses.index(401)
    assert sent > 0
    assert statuses == [200] * sent + [401] * (requests - sent)


@repeated_after_a_stall(0.5)
async def test_an_expired_token_ends_open_connections(
    server: LiveServer, accounts: Accounts, user: str, room: str
) -> None:
    headers = accounts.token(user, timedelta(seconds=3))
    async with followers(server, room, headers) as inside:  # all before the token expires
        for follower in inside:
            assert await follower.ended() == status_of(follower.technique, 401)


async def test_clients_stop_after_revocation(
    server: LiveServer,
    http: httpx.AsyncClient,
    accounts: Accounts,
    staff: str,
    staff_room: str,
) -> None:
    headers = accounts.token(staff)
    publisher = accounts.token(staff)
    await http.post(f"/publish/{staff_room}/", json={"text": "hush"}, headers=publisher)
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
    """A socket without a staff room stays open, but can no longer join one."""
    headers = accounts.session(staff)
    url = server.ws_url + f"/websocket/{room}/"
    async with asyncio.timeout(BOUND), connect(url, additional_headers=headers) as socket:
        await socket.recv()
        joined = f"staff-{room}"
        await socket.send(json.dumps({"type": "join", "room": joined}))
        assert json.loads(await socket.recv())["room"] == joined
        for _ in range(2):  # the error for the second proves that the first is done
            await socket.send(json.dumps({"type": "leave", "room": joined}))
        assert json.loads(await socket.recv())["code"] == "left"
        inside = await Follower(SOCKETS[0], server, joined, headers).opened()
        accounts.user(staff, is_staff=False)
        assert await inside.ended() == 4403  # by the sweep that has also checked this one
        await socket.send(json.dumps({"type": "join", "room": joined}))
        assert json.loads(await socket.recv())["code"] == "room"
        await socket.send(json.dumps({"type": "publish", "room": room, "text": "still here"}))
        assert json.loads(await socket.recv())["events"][0]["text"] == "still here"


# --- Editing and deleting ----------------------------------------------------------------------


@pytest.fixture(scope="module")
def redis_access_server(accounts: Accounts, redis_server: RedisServer) -> Iterator[LiveServer]:
    with LiveServer(env={**accounts.env, "REDIS_URL": redis_server.url}) as server:
        yield server


@pytest.fixture(params=["memory", pytest.param("redis", marks=pytest.mark.redis)])
def either_server(request: pytest.FixtureRequest) -> LiveServer:
    """Return the server with accounts, over each history."""
    name = "server" if request.param == "memory" else "redis_access_server"
    server: LiveServer = request.getfixturevalue(name)
    return server


async def test_an_author_edits_and_deletes(
    either_server: LiveServer, accounts: Accounts, user: str, room: str
) -> None:
    headers = accounts.token(user)
    async with httpx.AsyncClient(base_url=either_server.url, headers=headers) as http:
        path = f"/publish/{room}/"
        event = (await http.post(path, json={"text": "helo"})).json()
        assert (event["sender"], event["verified"]) == (user, True)
        edited = await http.post(path, json={"type": "edit", "of": event["id"], "text": "hello"})
        deleted = await http.post(path, json={"type": "delete", "of": event["id"]})
        assert (edited.status_code, deleted.status_code) == (201, 201)
        epoch, _, seq = event["id"].rpartition("-")
        expected = [
            event,
            edited.json()
            | {"id": f"{epoch}-{int(seq) + 1}", "type": "edit", "of": event["id"], "text": "hello"},
            deleted.json()
            | {"id": f"{epoch}-{int(seq) + 2}", "type": "delete", "of": event["id"], "text": ""},
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

        async def publish(text: str, sender: str = "", **headers: str) -> str:
            response = await http.post(path, json={"text": text, "sender": sender}, headers=headers)
            return str(response.json()["id"])

        async def delete(of: Any, headers: dict[str, str]) -> int:
            change = {"type": "delete", "of": of}
            return (await http.post(path, json=change, headers=headers)).status_code

        author, stranger = accounts.session(user), accounts.token(other)
        own = await publish("mine", **author)
        unverified = await publish("under the author's name", sender=user)
        assert await delete(own, {}) == 401
        assert await delete(own, stranger) == 403
        # The same name without verification is not enough.
        assert await delete(unverified, author) == 403
        assert await delete(own, author) == 201
        for id in (own, unverified):
            assert await delete(id, accounts.token(staff)) == 201
        # Neither a change nor an event that does not exist can be changed.
        epoch, _, seq = own.rpartition("-")
        for id in (f"{epoch}-{int(seq) + 2}", f"{epoch}-999", f"{epoch}-0", "zzzz-1"):
            assert await delete(id, accounts.token(staff)) == 404
        malformed: tuple[Any, ...] = ("bad", "", None, 7, [own])
        for of in malformed:
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
            change = {"type": "edit", "of": published.json()["id"], "text": text}
            return await http.post(path, json=change, headers={**user, "Idempotency-Key": key})

        published = await http.post(path, json={"text": "helo"}, headers=author)
        first = await edit(author, "k")
        assert first.status_code == 201
        keep_one()
        retried = await edit(author, "k")
        assert (retried.status_code, retried.json()) == (201, first.json())
        assert (await edit(author, "k", "something else")).status_code == 422
        # A key is valid for one user; without it a trimmed event cannot be changed.
        assert (await edit(other, "k")).status_code == 404
        assert (await edit(author, "another")).status_code == 404
        await http.post(path, json={"text": "next"}, headers=author)
        keep_one()
        assert (await edit(author, "k")).status_code == 409


async def test_an_author_edits_and_deletes_on_a_socket(
    socket_technique: Technique, server: LiveServer, accounts: Accounts, user: str, room: str
) -> None:
    headers, url = accounts.token(user), server.ws_url + socket_technique.url_path(room)
    async with asyncio.timeout(BOUND), connect(url, additional_headers=headers) as socket:

        async def send(**message: str) -> Any:
            await socket.send(json.dumps({"room": room, **message}))
            (event,) = json.loads(await socket.recv())["events"]
            return event

        await socket.recv()
        own = (await send(type="publish", text="helo"))["id"]
        edited = await send(type="edit", of=own, text="hello")
        assert (edited["type"], edited["of"], edited["text"]) == ("edit", own, "hello")
        deleted = await send(type="delete", of=own)
        assert (deleted["type"], deleted["of"], deleted["text"]) == ("delete", own, "")


# --- Presence ----------------------------------------------------------------------------------


async def test_a_user_is_present_under_their_own_name(
    either_server: LiveServer, accounts: Accounts, staff: str, staff_room: str
) -> None:
    headers = accounts.token(staff)
    async with httpx.AsyncClient(base_url=either_server.url) as http:
        path = f"/polling/{staff_room}/?name=someone-else"
        events = (await http.get(path, headers=headers)).json()["events"]
        assert [(event["type"], event["sender"]) for event in events] == [("join", staff)]

        async def is_listed() -> bool:
            entry = await entry_of(http, staff_room, headers)
            return entry is not None and entry["people"] == [staff]

        await until_async(is_listed)
        assert await entry_of(http, staff_room) is None


# --- Limits ------------------------------------------------------------------------------------


async def test_connections_per_address_are_limited(accounts: Accounts, room: str) -> None:
    env = {**accounts.env, "MAX_CONNECTIONS_PER_ADDRESS": "3", "BEHIND_PROXY": "1"}
    with LiveServer(env=env) as server:
        near, far = {"X-Forwarded-For": "192.0.2.1"}, {"X-Forwarded-For": "192.0.2.2"}
        path = f"/streaming/{room}/"
        async with httpx.AsyncClient(base_url=server.url, timeout=30) as http:
            streams = [http.stream("GET", path, headers=near) for _ in range(3)]
            for stream in streams:
                assert (await stream.__aenter__()).status_code == 200
            for poll in ("polling", "longpoll", "streaming"):
                rejected = await http.get(f"/{poll}/{room}/", headers=near)
                assert (rejected.status_code, rejected.headers["retry-after"]) == (429, "5")
                assert rejected.headers["content-type"] == "application/problem+json"
                assert "from one address is 3" in rejected.json()["detail"]
            assert (await http.get("/", headers=near)).status_code == 200
            assert (await http.get(f"/polling/{room}/", headers=far)).status_code == 200
            url = f"{server.ws_url}/websocket/{room}/"
            async with connect(url, additional_headers=near) as socket:
                assert (await close_of(socket)).code == 4429
            for stream in streams:
                await stream.__aexit__(None, None, None)

            async def is_accepted() -> bool:
                return (await http.get(f"/polling/{room}/", headers=near)).status_code == 200

            await until_async(is_accepted)
