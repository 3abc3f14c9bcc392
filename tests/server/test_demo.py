"""`manage.py demo`: generated events, the addresses for others, an orderly end, a port in use."""

from __future__ import annotations

import re
import signal
import socket
import time
from pathlib import Path

import httpx
import pytest

from realtime_demo.management.commands import demo
from realtime_demo.web.views import svg_code
from tests.support.demo import Demo
from tests.support.program import run_python
from tests.support.redis_server import RedisServer
from tests.support.waiting import BOUND, until_async


def test_the_demo_publishes_and_ctrl_c_ends_it(tmp_path: Path) -> None:
    with Demo(tmp_path) as running, httpx.Client(base_url=running.url) as http:
        assert http.get("/").status_code == 200
        deadline = time.monotonic() + BOUND
        events: list[dict[str, str]] = []
        while len(events) < 2:
            assert time.monotonic() < deadline, "no events were generated"
            events = http.get("/longpoll/lobby/", params={"wait": 5}).json()["events"]
            time.sleep(0.1)
        assert {event["sender"] for event in events} <= {"ada", "민준", "grace", "서연", "tim"}
        assert running.stop(signal.SIGINT) == 0
        assert "Stopped." in running.output()


def test_a_port_in_use_is_reported(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as occupant:
        port = occupant.getsockname()[1]
        arguments = ["manage.py", "demo", "--no-browser", "--port", str(port)]
        environment = {"DATABASE_PATH": str(tmp_path / "db.sqlite3")}
        completed = run_python(*arguments, env=environment, exit_code=1)
    assert f"make demo PORT={port + 1}" in completed.stderr
    assert "in use" in completed.stderr
    assert "Traceback" not in completed.stderr


@pytest.mark.parametrize(
    ("host", "loopback"),
    [("127.0.0.1", True), ("::1", True), ("localhost", True), ("0.0.0.0", False), ("box", False)],
)
def test_loopback_hosts_are_recognised(host: str, loopback: bool) -> None:
    assert demo.is_loopback(host) is loopback


def test_a_public_host_allows_its_name_and_address() -> None:
    names = demo.names_of("0.0.0.0")
    assert demo.own_address() in names
    assert socket.gethostname().lower() in names


def test_a_class_reads_the_address_and_the_number_of_devices(tmp_path: Path) -> None:
    address = demo.own_address()
    if address == "127.0.0.1":
        pytest.skip("this machine has no address in a network")
    with Demo(tmp_path, "--host", "0.0.0.0", "--no-conversation") as server:
        url = server.url.replace("127.0.0.1", address)
        server.wait_for(re.compile(f"For others on your network: {url}/"))
        server.wait_for(re.compile(demo.terminal_code(f"{url}/").splitlines()[1]))
        with httpx.Client(base_url=url, timeout=BOUND) as http:
            page = http.get("/").text
            assert svg_code(f"{url}/") in page
            assert http.get("/stage/").json()["devices"] == 1
            server.wait_for(re.compile("Connected devices: 1"))


@pytest.mark.redis
async def test_the_demo_announces_with_redis_too(
    tmp_path: Path, redis_server: RedisServer, room: str
) -> None:
    """There is no other process that would run the task."""
    env = {"REDIS_URL": redis_server.url, "REDIS_PREFIX": room}
    with Demo(tmp_path, "--no-conversation", env=env) as demo:
        async with httpx.AsyncClient(base_url=demo.url, timeout=BOUND) as http:
            arguments = {"room": room, "text": "Lunch!"}
            task = {"kind": "announcement", "arguments": arguments}
            started = await http.post("/tasks/", json=task)
            assert started.status_code == 202

            async def is_done() -> bool:
                task = (await http.get(started.headers["location"])).json()
                return bool(task["status"] == "done")

            await until_async(is_done)
            (event,) = (await http.get(f"/polling/{room}/")).json()["events"]
            assert event["text"] == "Lunch!"
