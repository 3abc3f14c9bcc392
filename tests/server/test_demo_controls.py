"""The demo's controls: network, faults, wire dumps, feed, restarts and theory."""

from __future__ import annotations

import asyncio
import gzip
import json
import re
import time
import zlib
from base64 import b64encode
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import httpx
import psutil
import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from realtime_demo.comparison.theory import NetworkPath, Workload, predict
from realtime_demo.demo.connections import OTHER, label_of
from realtime_demo.demo.runner import DemoRunner
from realtime_demo.demo.state import FeedSettings
from realtime_demo.demo.wire.views import rooms_of
from realtime_demo.management.commands.demo import own_address
from realtime_demo.tap.network import Network
from realtime_demo.web.theory import SERVICE, SIZES
from tests.support.demo import Demo, Page
from tests.support.live import LiveServer
from tests.support.raw import RawConnection
from tests.support.waiting import BOUND, until_async
from transports.http.problems import Problem
from transports.registry import TECHNIQUES

pytestmark = [pytest.mark.own_server]

CONTROLS = {
    "network": {"rtt": 1},
    "feed": {"running": False},
    "burst": {"count": 1},
    "cut": {},
    "stall": {"on": False},
    "fault": {"gzip": False},
    "restart": {},
}
INVALID_BODIES = [
    ("network", "[]", "json"),
    ("network", "{", "json"),
    ("network", '{"rtt": -1}', "rtt"),
    ("network", '{"rtt": NaN}', "json"),
    ("network", '{"jitter": true}', "jitter"),
    ("network", '{"bandwidth": 0}', "bandwidth"),
    ("network", '{"delay": 5}', "member"),
    ("feed", '{"rate": 0}', "rate"),
    ("feed", '{"rate": 101}', "rate"),
    ("feed", '{"running": 1}', "running"),
    ("feed", '{"arrivals": "late"}', "arrivals"),
    ("feed", '{"room": 7}', "room"),
    ("burst", "{}", "count"),
    ("burst", '{"count": 1001}', "count"),
    ("burst", '{"count": 1.5}', "count"),
    ("cut", '{"technique": "telepathy"}', "technique"),
    ("cut", '{"technique": []}', "technique"),
    ("stall", "{}", "on"),
    ("fault", '{"gzip": null}', "gzip"),
    ("restart", '{"kill": "yes"}', "kill"),
]
NDJSON, SSE = "/streaming/{}/", "/streaming/{}/sse/"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("stage")


@pytest.fixture(scope="module")
def demo(folder: Path) -> Iterator[Demo]:
    with Demo(folder, "--no-conversation") as running:
        yield running


async def open_stream(demo: Demo, target: str, *headers: str) -> tuple[RawConnection, list[str]]:
    """Open a stream of an empty room; return it after its first chunk, with its head."""
    connection = await RawConnection.open(demo.url)
    head = await connection.get(target, *headers)
    await connection.chunk()
    return connection, head


async def assert_nothing_arrives(connection: RawConnection, page: Page) -> None:
    """Assert that no byte arrives within a round trip to the server."""
    await page.state()
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.1):
            await connection.reader.read(1)


# --- Access -----------------------------------------------------------------------------------
async def test_controls_require_csrf_origin_and_loopback(demo: Demo) -> None:
    async with demo.page() as page:

        async def status(control: str, **headers: str | None) -> tuple[int, str]:
            all_headers = {**page.headers, **headers}
            sent = {name: value for name, value in all_headers.items() if value is not None}
            url = f"/stage/{control}/"
            response = await page.http.post(url, json=CONTROLS[control], headers=sent)
            assert response.headers["content-type"] == "application/problem+json"
            return response.status_code, response.json()["code"]

        for control in CONTROLS:
            assert await status(control, **{"X-CSRFToken": None}) == (403, "csrf")
            assert await status(control, **{"X-CSRFToken": "a" * 64}) == (403, "csrf")
            assert await status(control, Origin=None) == (403, "origin")
            assert await status(control, Origin="http://elsewhere.example") == (403, "origin")
            assert await status(control, **{"X-Forwarded-For": "192.0.2.7"}) == (403, "elsewhere")
            assert await status(control, Forwarded="for=192.0.2.7") == (403, "elsewhere")
            assert await status(control, **{"Content-Type": "text/plain"}) == (415, "content-type")
            assert (await page.http.get(f"/stage/{control}/")).status_code == 405


async def test_invalid_control_bodies_are_rejected(demo: Demo) -> None:
    async with demo.page() as page:
        headers = {**page.headers, "Content-Type": "application/json"}
        for control, body, code in INVALID_BODIES:
            response = await page.http.post(f"/stage/{control}/", content=body, headers=headers)
            assert (response.status_code, response.json()["code"]) == (400, code), (control, body)
            assert response.headers["content-type"] == "application/problem+json"


async def test_forbidden_and_invalid_rooms_are_rejected(demo: Demo) -> None:
    async with demo.page() as page:
        for room, status in (("staff-room", 403), ("No Room", 404)):
            for control, document in (("feed", {}), ("burst", {"count": 1})):
                response = await page.http.post(
                    f"/stage/{control}/", json={**document, "room": room}, headers=page.headers
                )
                assert response.status_code == status


async def test_another_machine_sees_but_cannot_control_the_demo(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    host = own_address()
    if host == "127.0.0.1":
        pytest.skip("needs a network interface besides loopback")
    folder = tmp_path_factory.mktemp("class")
    with Demo(folder, "--no-conversation", "--host", "0.0.0.0") as demo:
        # Over the machine's own address, a client does not count as loopback.
        url = f"http://{host}:{httpx.URL(demo.url).port}"
        async with demo.page() as page, httpx.AsyncClient(base_url=url, timeout=BOUND) as other:
            assert '"mayControl": false' in (await other.get("/")).text
            assert (await other.get("/stage/")).status_code == 200
            headers = {"Origin": url, "X-CSRFToken": other.cookies["csrftoken"]}
            for control, document in CONTROLS.items():
                response = await other.post(f"/stage/{control}/", json=document, headers=headers)
                assert (response.status_code, response.json()["code"]) == (403, "elsewhere")
            await page.post("cut")  # the same from this machine


def test_the_server_always_listens_on_loopback() -> None:
    runner = DemoRunner("192.0.2.1", 8000, FeedSettings(), environment={})
    assert runner.tap.listen == ("192.0.2.1", 8000)
    assert runner.tap.target[0] == "127.0.0.1"


async def test_clients_that_bypass_the_tap_cannot_control(demo: Demo) -> None:
    """Clients' addresses come from the tap: a client that bypasses it has none."""
    async with demo.page() as page:
        url = f"http://127.0.0.1:{demo.child_port}"
        async with httpx.AsyncClient(base_url=url, cookies=page.http.cookies) as client:
            headers = {**page.headers, "Origin": url}
            response = await client.post("/stage/cut/", json={}, headers=headers)
            assert (response.status_code, response.json()["code"]) == (403, "elsewhere")


async def test_controls_exist_only_in_the_demo(memory_live_server: LiveServer) -> None:
    async with httpx.AsyncClient(base_url=memory_live_server.url) as http:
        page = await http.get("/")
        assert '"demo": null' in page.text
        headers = {"Origin": memory_live_server.url}
        for path in ("/stage/", "/stage/wire/?technique=sse&id=a-1"):
            assert (await http.get(path)).status_code == 404
        for control, document in CONTROLS.items():
            url = f"/stage/{control}/"
            assert (await http.post(url, json=document, headers=headers)).status_code in (403, 404)
            assert (await http.get(url)).status_code == 404
        assert (await http.get("/theory/")).status_code == 200
    with pytest.raises(InvalidStatus):
        async with connect(f"{memory_live_server.ws_url}/stage/live/"):
            pass


async def test_the_page_contains_the_control_settings(demo: Demo) -> None:
    async with demo.page() as page:
        text = (await page.http.get("/")).text
        match = re.search(r'<script id="configuration"[^>]*>(.*?)</script>', text)
        assert match is not None
        controls = json.loads(match[1])["demo"]
        assert (controls["url"], controls["live"], controls["mayControl"]) == (
            "/stage/",
            "/stage/live/",
            True,
        )
        assert all(controls["says"].values())
        page.headers["X-CSRFToken"] = controls["csrf"]
        await page.post("feed", running=False)
        text = (await page.http.get("/", headers={"X-Forwarded-For": "192.0.2.7"})).text
        assert '"mayControl": false' in text
        assert '"heartbeat": 15000.0' in text  # from the environment


# --- The network ----------------------------------------------------------------------------
async def test_bytes_and_connections_are_counted(demo: Demo, room: str) -> None:
    async with demo.page() as page:
        await until_async(lambda: connections_are(page, "streaming", 0))  # the last test's end
        before = (await page.state())["techniques"]["streaming"]
        stream, head = await open_stream(demo, NDJSON.format(room))
        async with stream:
            event = await page.publish(room)
            chunk = await stream.chunk()
            assert json.loads(chunk) == event
            received = len("\r\n".join(head)) + 4 + len("1\r\n\n\r\n")
            received += len(f"{len(chunk):x}") + 4 + len(chunk)
            request = f"GET {NDJSON.format(room)} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
            after = (await page.state())["techniques"]["streaming"]
            assert {name: after[name] - before[name] for name in after} == {
                "up": len(request),
                "down": received,
                "connections": 1,
                "opened": 1,
                "requests": 1,
            }
        await until_async(lambda: connections_are(page, "streaming", 0))


async def connections_are(page: Page, technique: str, count: int) -> bool:
    return bool((await page.state())["techniques"][technique]["connections"] == count)


async def test_network_settings_delay_the_techniques(demo: Demo, room: str) -> None:
    async with demo.page() as page:
        assert await page.post("network", rtt=400) == {"rtt": 400, "jitter": 0, "bandwidth": None}
        try:
            began = time.monotonic()
            await page.http.get(f"/polling/{room}/")
            assert time.monotonic() - began >= 0.39
            assert (await page.state())["network"]["rtt"] == 400
            assert (await page.post("network", bandwidth=50))["rtt"] == 400
        finally:
            await page.post("network", rtt=0, bandwidth=None)


def test_only_technique_requests_are_labelled() -> None:
    for technique in TECHNIQUES:
        assert label_of(technique.url_path("lobby") + "?since=a-1") == technique.name
    for target in ("/", "/polling/", "/publish/lobby/", "/static/polling/source.js", "/stage/cut/"):
        assert label_of(target) == OTHER


async def test_a_cut_applies_to_one_technique_or_all(demo: Demo, room: str) -> None:
    async with demo.page() as page:
        await until_async(lambda: connections_are(page, "streaming", 0))  # the last test's end
        ndjson, _ = await open_stream(demo, NDJSON.format(room))
        sse, _ = await open_stream(demo, SSE.format(room))
        async with ndjson, sse:
            assert await page.post("cut", technique="streaming") == {"connections": 1}
            with pytest.raises(ConnectionResetError):
                await ndjson.rest()
            await page.publish(room)
            assert b"id: " in await sse.chunk()
            assert (await page.post("cut"))["connections"] >= 1
            with pytest.raises(ConnectionResetError):
                await sse.rest()


async def test_a_stalled_stream_is_silent_until_resumed(demo: Demo, room: str) -> None:
    async with demo.page() as page:
        stream, _ = await open_stream(demo, NDJSON.format(room))
        async with stream:
            assert await page.post("stall", on=True, technique="streaming") == {
                "stalled": ["streaming"]
            }
            event = await page.publish(room)
            await assert_nothing_arrives(stream, page)
            async with await RawConnection.open(
                demo.url
            ) as second_stream:  # a new one is not stalled
                await second_stream.get(NDJSON.format(room))
                assert json.loads(await second_stream.chunk()) == event
            assert (await page.state())["faults"]["stalled"] == ["streaming"]
            assert await page.post("stall", on=False) == {"stalled": []}
            assert json.loads(await stream.chunk()) == event


async def test_a_stalled_poll_does_not_stall_other_requests(demo: Demo, room: str) -> None:
    """A browser may reuse the connection of a poll for the page's own requests."""
    async with demo.page() as page, await RawConnection.open(demo.url) as poll:
        await poll.get(f"/polling/{room}/")
        await poll.until(b"]}")
        assert await page.post("stall", on=True, technique="polling") == {"stalled": ["polling"]}
        assert (await poll.get("/clock/"))[0] == "HTTP/1.1 200 OK"
        await poll.until(b"}")
        stalled_poll = asyncio.create_task(poll.get(f"/polling/{room}/"))
        await until_async(lambda: are_stalled(page, ["polling"]))
        assert not stalled_poll.done()
        await page.post("stall", on=False)
        assert (await stalled_poll)[0] == "HTTP/1.1 200 OK"


async def are_stalled(page: Page, techniques: list[str]) -> bool:
    return bool((await page.state())["faults"]["stalled"] == techniques)


# --- The faults -------------------------------------------------------------------------------
async def test_the_buffering_fault_delays_streams(demo: Demo, room: str) -> None:
    async with demo.page() as page:
        await page.post("fault", buffering=True)
        try:
            connection = await RawConnection.open(demo.url)
            async with connection:
                request = f"GET {SSE.format(room)} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
                connection.writer.write(request.encode())
                await until_async(lambda: is_subscribed(page))
                await page.publish(room, "x" * 1000)
                await assert_nothing_arrives(connection, page)
                lines = f"/streaming/{room}/"
                rejected = await page.http.get(lines, params={"since": "?"})
                assert rejected.status_code == 400  # has a Content-Length
                for _ in range(17):
                    last = await page.publish(room, "x" * 1000)
                await connection.until(b"\r\n\r\n")
                event = await page.publish(room, "small")
                await assert_not_received(connection, event["id"], page)
                assert (await page.post("fault", buffering=False))["buffering"] is False
                async with asyncio.timeout(10):  # before the next heartbeat would flush it
                    text = await connection.until(b'"small"')
                assert last["id"].encode() in text
        finally:
            await page.post("fault", buffering=False)


async def is_subscribed(page: Page) -> bool:
    metrics = (await page.http.get("/metrics")).text
    return re.search(r'connections[^\n]*"sse"[^\n]* 1', metrics) is not None


async def assert_not_received(connection: RawConnection, identity: str, page: Page) -> None:
    await page.state()
    assert identity.encode() not in bytes(connection.reader._buffer)  # type: ignore[attr-defined]


async def test_the_gzip_fault_compresses_each_chunk(demo: Demo, room: str) -> None:
    async with demo.page() as page:
        before, _ = await open_stream(demo, NDJSON.format(room))
        await page.post("fault", gzip=True)
        try:
            async with before:
                with pytest.raises(ConnectionResetError):  # it reconnects, compressed
                    await before.rest()
            stream, head = await open_stream(demo, NDJSON.format(room), "Accept-Encoding: gzip")
            async with stream:
                assert "content-encoding: gzip" in head
                for _ in range(2):
                    event = await page.publish(room)
                    member = zlib.decompressobj(wbits=31)
                    assert json.loads(member.decompress(await stream.chunk())) == event
                    assert member.eof  # complete by itself
                wire = await wire_of(page, "streaming", event["id"])
                assert wire["note"] == "wire.compressed"
            plain, head = await open_stream(demo, NDJSON.format(room))
            async with plain:
                assert not [line for line in head if line.startswith("content-encoding:")]
        finally:
            await page.post("fault", gzip=False)


# --- The wire -----------------------------------------------------------------------------------
async def wire_of(page: Page, technique: str, identity: str) -> dict[str, object]:
    query = {"technique": technique, "id": identity}
    response = await page.http.get("/stage/wire/", params=query)
    assert response.status_code == 200, response.text
    return dict(response.json())


def bytes_of(parts: object) -> bytes:
    assert isinstance(parts, list)
    return b"".join(bytes.fromhex(part["hex"]) for part in parts)


async def test_the_wire_shows_the_bytes_of_an_event(demo: Demo, room: str) -> None:
    async with demo.page() as page:
        ndjson, _ = await open_stream(demo, NDJSON.format(room), "Cookie: sessionid=secret")
        sse, _ = await open_stream(demo, SSE.format(room))
        long_poll, path = await RawConnection.open(demo.url), f"/longpoll/{room}/"
        url = demo.url.replace("http", "ws")
        async with ndjson, sse, long_poll, connect(f"{url}/websocket/{room}/") as socket:
            await socket.recv()
            long_poll.writer.write(f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".encode())
            message = {"type": "publish", "room": room, "sender": "ada", "text": "안녕"}
            await socket.send(json.dumps(message))
            batch = await socket.recv(decode=False)
            identity = json.loads(batch)["events"][0]["id"]
            chunk, framed = await ndjson.chunk(), await sse.chunk()
            await long_poll.until(b"\r\n\r\n")
            polled = (await page.http.get(f"/polling/{room}/")).content
            length = b"\x81\x7e" + len(batch).to_bytes(2, "big")
            expected = {
                "streaming": b"%x\r\n%b\r\n" % (len(chunk), chunk),
                "sse": b"%x\r\n%b\r\n" % (len(framed), framed),
                "websocket": length + batch,
                "polling": polled,
                "longpoll": await long_poll.until(b"]}"),
            }
            for technique, carried in expected.items():
                wire = await wire_of(page, technique, identity)
                assert bytes_of(wire["carrier"]) == carried
                assert str(wire["request_head"]).startswith("GET /")
                assert str(wire["response_head"]).startswith("HTTP/1.1 ")
                assert "secret" not in json.dumps(wire)
            assert "Cookie: …" in str((await wire_of(page, "streaming", identity))["request_head"])
            sent = (await wire_of(page, "websocket", identity))["sent"]
            assert isinstance(sent, list)
            assert json.loads(sent[-1]["text"]) == message


def test_rooms_are_found_in_wire_bytes() -> None:
    """A socket of one room may carry events of others, in both directions."""
    message = b'{"type":"publish","room" : "staff-b","text":"\\"room\\":\\"c\\""}'
    frame = b"\x81" + bytes([0x80 | len(message)]) + b"\0\0\0\0" + message
    carrier = b'\x81\x0f{"room":"staff-a"}'
    document = {"carrier": b64encode(carrier).decode(), "sent": b64encode(frame).decode()}
    assert rooms_of(document) == {"staff-a", "staff-b"}
    chunk = b"2a\r\n" + gzip.compress(b'{"room":"staff-d"}\n') + b"\r\n"
    assert rooms_of({"carrier": b64encode(chunk).decode(), "sent": ""}) == {"staff-d"}


async def test_invalid_wire_queries_are_rejected(demo: Demo, room: str) -> None:
    async with demo.page() as page:
        for query, status in (
            ({"technique": "sse", "id": "abc-1"}, 404),
            ({"technique": "sse", "id": '"id"'}, 400),
            ({"technique": "sse"}, 400),
            ({"technique": "telepathy", "id": "abc-1"}, 400),
        ):
            response = await page.http.get("/stage/wire/", params=query)
            assert response.status_code == status
            assert response.json()["detail"]


# --- The feed -----------------------------------------------------------------------------------
async def test_the_feed_runs_and_bursts(demo: Demo, room: str) -> None:
    async with demo.page() as page:
        stream, _ = await open_stream(demo, NDJSON.format(room))
        async with stream:
            await page.post("feed", running=True, rate=100, room=room, arrivals="fixed")
            received: list[dict[str, str]] = []
            while len(received) < 20:
                received += map(json.loads, (await stream.chunk()).splitlines())
            state = await page.state()
            assert state["feed"] == {
                "running": True,
                "rate": 100,
                "room": room,
                "arrivals": "fixed",
            }
            await page.post("feed", running=False)
            assert await page.post("burst", count=150) == {"count": 150, "room": room}
            last = await page.publish(room, "last")
            chunks = 0
            while not received or received[-1]["id"] != last["id"]:
                received += map(json.loads, (await stream.chunk()).splitlines())
                chunks += 1
            assert chunks > 10, "a burst is many publishes, not one batch"
            epoch, _, seq = last["id"].partition("-")
            assert [event["id"] for event in received] == [
                f"{epoch}-{number}" for number in range(1, int(seq) + 1)
            ]
            assert len(received) >= 20 + 150 + 1


def test_omitted_feed_settings_are_unchanged() -> None:
    feed = FeedSettings(running=False, rate=3.0, room="here", arrivals="fixed")
    assert feed.changed({}) == feed
    assert feed.changed({"rate": 5}) == FeedSettings(False, 5.0, "here", "fixed")
    with pytest.raises(Problem):
        feed.changed({"rates": 5})


# --- The server ---------------------------------------------------------------------------------
async def test_a_restart_keeps_the_port_and_the_settings(demo: Demo, room: str) -> None:
    url = demo.url.replace("http", "ws")
    crashes = demo.output().count("ended")
    async with demo.page() as page, connect(f"{url}/stage/live/") as live:
        first = json.loads(await live.recv())
        assert first["server"] == "up"
        await page.post("network", jitter=3)
        state = json.loads(await live.recv())
        while state["network"]["jitter"] != 3:
            state = json.loads(await live.recv())
        stream, _ = await open_stream(demo, NDJSON.format(room))
        async with stream:
            assert await page.post("restart") == {"kill": False}
            assert await stream.rest() == b"0\r\n\r\n"  # an orderly end
        with pytest.raises(ConnectionClosed):
            while True:
                state = json.loads(await asyncio.wait_for(live.recv(), BOUND))
        assert state["server"] == "restarting"
        assert live.close_code == 1012
        await until_async(lambda: is_up_since(page, first["running_since"]))
        assert (await page.post("network", jitter=0))["rtt"] == 0
        assert demo.output().count("ended") == crashes  # a requested restart is not one


async def is_up_since(page: Page, before: float) -> bool:
    try:
        state = await page.state()
    except httpx.TransportError:
        return False
    return bool(state["server"] == "up" and state["running_since"] > before)


async def test_a_killed_server_is_restarted(demo: Demo, room: str) -> None:
    async with demo.page() as page:
        first = await page.state()
        stream, _ = await open_stream(demo, NDJSON.format(room))
        async with stream:
            assert await page.post("restart", kill=True) == {"kill": True}
            with suppress(ConnectionResetError):
                assert await stream.rest() == b""
        await until_async(lambda: is_up_since(page, first["running_since"]))
        second = await page.state()
        demo.child.kill()  # not requested
        await until_async(lambda: is_up_since(page, second["running_since"]))
        assert "The server ended (killed by SIGKILL); restarting it." in demo.output()


def test_the_server_ends_when_its_parent_is_killed(folder: Path) -> None:
    with Demo(folder, "--no-conversation") as demo:
        child = demo.child
        demo.process.kill()
        demo.process.wait(BOUND)
        psutil.wait_procs([child], BOUND)
        assert not child.is_running()


# --- The theory ---------------------------------------------------------------------------------
async def test_theory_matches_the_comparison(memory_live_server: LiveServer) -> None:
    async with httpx.AsyncClient(base_url=memory_live_server.url) as http:
        query = {"rate": 2, "interval": 500, "rtt": 100, "jitter": 20, "bandwidth": 200}
        predictions = (await http.get("/theory/", params=query)).json()
        assert list(predictions) == [technique.name for technique in TECHNIQUES]
        path = NetworkPath(Network.of(0.1, 0.02, 200_000), SERVICE)
        for name, prediction in predictions.items():
            expected = predict(name, Workload(2, interval=0.5), path, SIZES)
            assert prediction["mean"] == pytest.approx(expected.delay.mean)
            assert prediction["median"] == pytest.approx(expected.delay.quantile(0.5))
            assert prediction["p95"] == pytest.approx(expected.delay.quantile(0.95))
            assert prediction["requests_per_event"] == pytest.approx(expected.requests_per_event)
            assert prediction["empty_share"] == pytest.approx(expected.empty_share)
            shares = [share for _, share in prediction["density"]]
            assert shares == sorted(shares) and shares[-1] == pytest.approx(1)


@pytest.mark.parametrize(
    "query",
    [
        "rate=0",
        "rate=nan",
        "interval=-1",
        "rtt=x",
        "bandwidth=0",
        "arrivals=x",
        "rate=9&bandwidth=1",
    ],
)
async def test_invalid_theory_parameters_are_rejected(
    memory_live_server: LiveServer, query: str
) -> None:
    async with httpx.AsyncClient(base_url=memory_live_server.url) as http:
        response = await http.get(f"/theory/?{query}")
        assert response.status_code == 400
        assert response.headers["content-type"] == "application/problem+json"


async def test_theory_accepts_an_interval_of_zero(memory_live_server: LiveServer) -> None:
    async with httpx.AsyncClient(base_url=memory_live_server.url) as http:
        response = await http.get("/theory/?interval=0")
        assert response.json()["polling"]["median"] < 0.01
