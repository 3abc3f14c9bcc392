"""Two hosts: network namespaces, each with nginx and servers, and a Redis Cluster across both.

The first host has two masters and a replica, the second one master and two replicas. The room is on
the second host's master. The link between the hosts is cut, and restored; clients reach each host
by a link of its own. The first host has the majority of the masters, so it promotes its replica.
"""

from __future__ import annotations

import asyncio
import os
import secrets
import shutil
import signal
import ssl
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

import httpx
from redis.crc import key_slot

from realtime_demo.production import programs
from realtime_demo.production.cluster import SLOTS
from transports.registry import TECHNIQUES
from transports.store.base import group_of
from transports.store.redis.cluster_client import bucket_of

from .clients import Follower, trust
from .deployment import ROOT, START, STOP
from .faults import Fault
from .publisher import RetryingPublisher, current_cursor
from .run import Outcome, account, feed

HOSTS = ("realtime-1", "realtime-2")
PLACES = (0, 0, 1, 1, 1, 0)  # of the nodes: three masters, then their replicas
CUT = 15.0  # seconds
PORT, REDIS_PORT = 8443, 7000
LINK = "between"  # the name of its device on each host


class Unavailable(Exception):
    """This machine or user cannot make network namespaces; the message says why."""


async def _never(_: object) -> float:
    raise AssertionError("The hosts have their own run.")


def _fault(number: int) -> Fault:
    side = "the host with the majority" if number == 0 else "the host that was cut off"
    return Fault(f"hosts-{number + 1}", f"clients of {side}", "", _never, resets=True)


def run_hosts(clients: int, rate: float, show_step: Callable[[str], None]) -> list[Outcome]:
    """Cut the link under a feed; return an outcome for each host. Raises `Unavailable`."""
    with ExitStack() as stack:
        show_step("Starting two hosts …")
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="realtime-hosts-")))
        stack.enter_context(_namespaces())
        addresses = [(f"10.213.0.{place + 1}", REDIS_PORT + n) for n, place in enumerate(PLACES)]
        for number, place in enumerate(PLACES):
            stack.enter_context(_redis(directory, place, *addresses[number]))
        script = f"from realtime_demo.production.cluster import form; form({addresses!r})"
        _run(*_in(0), sys.executable, "-c", script)
        nodes = ",".join(f"{host}:{port}" for host, port in addresses)
        environment = {
            **os.environ,
            "DATABASE_PATH": str(directory / "db.sqlite3"),
            "DATABASE_URL": "",
            "REDIS_URL": f"redis+cluster://{nodes}",
            "SECRET_KEY": secrets.token_hex(32),
        }
        for place in range(len(HOSTS)):
            stack.enter_context(_production(directory / HOSTS[place], place, environment))
        certificate = directory / "certificates.pem"
        certificate.write_text(
            "".join((directory / name / "certificate.pem").read_text() for name in HOSTS)
        )
        trust(certificate)
        show_step("Cutting the link under a feed …")
        return asyncio.run(_feed(certificate, clients, rate))


async def _feed(certificate: Path, clients: int, rate: float) -> list[Outcome]:
    tls = ssl.create_default_context(cafile=str(certificate))
    room = _room()
    urls = [_url(place) for place in range(len(HOSTS))]
    async with httpx.AsyncClient(base_url=urls[0], verify=tls, timeout=30) as http:
        since = await current_cursor(http, room)
        publisher = RetryingPublisher(urls[0], room, rate, tls)
        sides = [
            [Follower(each, url, room, since) for each in TECHNIQUES for _ in range(clients)]
            for url in urls
        ]
        followers = [follower for side in sides for follower in side]
        notes: list[str] = []
        unproven: list[str] = []

        async def cut_link() -> None:
            _run(*_in(0), "ip", "link", "set", LINK, "down")
            answered = publisher.answered
            await asyncio.sleep(CUT)
            answered = publisher.answered - answered
            async with httpx.AsyncClient(base_url=urls[1], verify=tls, timeout=30) as cut_off:
                document = {"sender": "cut-off", "text": "no majority"}
                publish = await cut_off.post(f"/publish/{room}/", json=document)
                poll = await cut_off.get(f"/polling/{room}/")
            notes.append(
                f"while the link was cut, the first host answered 201 to {answered} publishes, and "
                f"the second {publish.status_code} to a publish and {poll.status_code} to a poll"
            )
            if not answered:
                unproven.append("the first host did not continue")
            if publish.status_code != 503:
                unproven.append("the second host accepted a publish")
            _run(*_in(0), "ip", "link", "set", LINK, "up")

        history, ended = await feed(http, publisher, followers, since, cut_link)
    return [
        account(_fault(number), side, publisher, history, ended, notes, unproven)
        for number, side in enumerate(sides)
    ]


def _room() -> str:
    """Return the name of a room on the third master, which is on the second host."""
    while True:
        room = f"fault-{uuid.uuid4().hex[:12]}"
        if key_slot(str(bucket_of(group_of(room))).encode()) >= SLOTS * 2 // 3:
            return room


# --- The hosts ----------------------------------------------------------------------------------


def _in(place: int) -> list[str]:
    return ["ip", "netns", "exec", HOSTS[place]]


def _url(place: int) -> str:
    return f"https://10.213.{place + 1}.1:{PORT}"


def _run(*command: str) -> None:
    subprocess.run(command, check=True, cwd=ROOT, stdin=subprocess.DEVNULL)


@contextmanager
def _namespaces() -> Iterator[None]:
    """Make two namespaces for the block, with a link between them and one from each to here."""
    if shutil.which("ip") is None:
        raise Unavailable("the command ip is missing; to install it: apt-get install iproute2")
    try:
        for name in HOSTS:
            command = ["ip", "netns", "add", name]
            completed = subprocess.run(command, capture_output=True, text=True, check=False)
            if completed.returncode:
                raise Unavailable(completed.stderr.strip())
        pair = ["peer", "name", LINK, "netns", HOSTS[1]]
        _run("ip", "link", "add", LINK, "netns", HOSTS[0], "type", "veth", *pair)
        for place, name in enumerate(HOSTS):
            outside = f"{name}-out"
            pair = ["peer", "name", "outside", "netns", name]
            _run("ip", "link", "add", outside, "type", "veth", *pair)
            _run("ip", "address", "add", f"10.213.{place + 1}.2/24", "dev", outside)
            _run("ip", "link", "set", outside, "up")
            for device, address in (
                (LINK, f"10.213.0.{place + 1}/24"),
                ("outside", f"10.213.{place + 1}.1/24"),
            ):
                _run("ip", "-n", name, "address", "add", address, "dev", device)
                _run("ip", "-n", name, "link", "set", device, "up")
            _run("ip", "-n", name, "link", "set", "lo", "up")
        yield
    finally:
        for name in HOSTS:
            subprocess.run(["ip", "netns", "del", name], capture_output=True, check=False)


@contextmanager
def _process(command: Sequence[str], number: signal.Signals, **options: object) -> Iterator[None]:
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, **options)  # type: ignore[call-overload]
    try:
        yield
    finally:
        process.send_signal(number)
        try:
            process.wait(STOP)
        except subprocess.TimeoutExpired:
            process.kill()


def _redis(directory: Path, place: int, host: str, port: int):  # type: ignore[no-untyped-def]
    data = directory / f"redis-{port}"
    data.mkdir()
    command = [*_in(place), programs.redis_server(), "--bind", host, "--port", str(port)]
    command += ["--protected-mode", "no", "--save", "", "--appendonly", "yes"]
    command += ["--cluster-enabled", "yes", "--cluster-node-timeout", "2000"]
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    return _process(command, signal.SIGTERM, cwd=data, **quiet)


@contextmanager
def _production(directory: Path, place: int, environment: dict[str, str]) -> Iterator[None]:
    directory.mkdir()
    host = f"10.213.{place + 1}.1"
    command = [*_in(place), sys.executable, "manage.py", "production", "--host", host]
    command += ["--port", str(PORT), "--metrics-port", "0", "--workers", "0"]
    command += ["--directory", str(directory)]
    log = directory / "output.log"
    with (
        log.open("wb") as output,
        _process(
            command,
            signal.SIGINT,
            cwd=ROOT,
            env=environment,
            stdout=output,
            stderr=subprocess.STDOUT,
        ),
    ):
        deadline = time.monotonic() + START
        while "Ready: " not in log.read_text(errors="replace"):
            if time.monotonic() > deadline:
                raise TimeoutError(log.read_text(errors="replace")[-2_000:])
            time.sleep(0.1)
        yield
