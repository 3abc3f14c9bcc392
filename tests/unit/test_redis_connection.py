"""All forms of `REDIS_URL`, for the store and both channel layers."""

from __future__ import annotations

import asyncio
import subprocess
import tempfile
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import redis
from channels_redis.core import RedisChannelLayer
from channels_redis.pubsub import RedisPubSubChannelLayer

from realtime_demo.ports import free_port
from realtime_demo.production import certificate, programs
from tests.support.program import available
from tests.support.redis_server import RedisServer
from tests.support.waiting import BOUND
from transports.events import Draft
from transports.store.redis.connection import MasterPool, client
from transports.store.redis.store import RedisStore
from transports.store.redis.url import InvalidRedisURL, layer_host

PASSWORD = "p@ss:wörd/?"  # every character must be escaped
ESCAPED = "p%40ss%3Aw%C3%B6rd%2F%3F"


async def check(url: str) -> None:
    """Check that the store and both layers work over `url`."""
    prefix = uuid.uuid4().hex
    history = RedisStore(url, length=9, backlog=9, expiry=60, prefix=prefix)
    event = await history.append(Draft("r", "ada", "hi"))
    assert (await history.read("r", None)).events == (event,)
    await history.close()
    for kind in (RedisChannelLayer, RedisPubSubChannelLayer):
        layer = kind(hosts=[layer_host(url, socket_timeout=15)], prefix=prefix)
        channel = await layer.new_channel()
        await layer.group_add("g", channel)
        await layer.group_send("g", {"type": "hi"})
        async with asyncio.timeout(BOUND):
            assert await layer.receive(channel) == {"type": "hi"}
        await (layer.close_pools() if kind is RedisChannelLayer else layer.flush())


@pytest.mark.redis
async def test_passwords_are_escaped_in_urls() -> None:
    url = f"redis://:{ESCAPED}@127.0.0.1:{{port}}/3"
    with RedisServer("--requirepass", PASSWORD, url=url) as server:
        await check(server.url)
        with pytest.raises(redis.AuthenticationError):
            await client(f"redis://127.0.0.1:{server.port}").ping()


@pytest.fixture
def tls(tmp_path: Path) -> Iterator[RedisServer]:
    files = tmp_path / "certificate.pem", tmp_path / "key.pem"
    certificate.ensure(*files, host="localhost")
    options = ["--port", "0", "--tls-port", "{port}", "--tls-auth-clients", "no"]
    options += ["--tls-cert-file", str(files[0]), "--tls-key-file", str(files[1])]
    url = f"rediss://localhost:{{port}}/0?ssl_ca_certs={files[0]}"
    server = RedisServer(*options, url=url)
    try:
        server.__enter__()
    except redis.ConnectionError:
        pytest.skip("this redis-server was built without TLS; Debian's has it")
    try:
        yield server
    finally:
        server.__exit__(None, None, None)


@pytest.mark.redis
async def test_tls_certificates_are_verified(tls: RedisServer) -> None:
    await check(tls.url)
    with pytest.raises(redis.ConnectionError):  # signed by an unknown authority
        await client(f"rediss://localhost:{tls.port}/0").ping()


@contextmanager
def sentinel(master: RedisServer) -> Iterator[int]:
    """Run a Sentinel that watches `master` under the name `mine`; yield its port."""
    port = free_port()
    with tempfile.TemporaryDirectory() as directory:
        conf = Path(directory) / "sentinel.conf"
        conf.write_text(
            f"port {port}\nbind 127.0.0.1\nrequirepass of-sentinel\n"
            f"sentinel monitor mine 127.0.0.1 {master.port} 1\n"
            f"sentinel auth-pass mine of-master\n"
        )
        process = subprocess.Popen(
            [available(programs.redis_server), str(conf), "--sentinel"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
        )
        try:
            deadline = time.monotonic() + BOUND
            with redis.Redis(port=port, password="of-sentinel") as sentinel_client:
                while True:
                    try:
                        if sentinel_client.sentinel_get_master_addr_by_name("mine"):
                            break
                    except redis.ConnectionError:
                        pass
                    assert time.monotonic() < deadline
                    time.sleep(0.02)
            yield port
        finally:
            process.terminate()
            process.wait(20)


@pytest.mark.redis
async def test_the_master_is_found_through_sentinels(monkeypatch: pytest.MonkeyPatch) -> None:
    # channels-redis' own leaves the connections to the Sentinels open until the process ends.
    monkeypatch.setattr("redis.asyncio.sentinel.SentinelConnectionPool", MasterPool)
    url = "redis://:of-master@127.0.0.1:{port}/0"
    with RedisServer("--requirepass", "of-master", url=url) as master, sentinel(master) as port:
        unused = free_port()  # one of the Sentinels is down
        sentinels = f"127.0.0.1:{unused},127.0.0.1:{port}"
        await check(f"redis+sentinel://:of-master@{sentinels}/mine/2?sentinel_password=of-sentinel")


def test_sentinel_urls_are_parsed() -> None:
    host = layer_host(
        f"rediss+sentinel://ada:{ESCAPED}@one:1,two/mine/4?ssl_ca_certs=/ca&sentinel_password=s%3A",
        socket_timeout=15,
    )
    del host["sentinel_kwargs"]["retry"]
    tls = {"ssl": True, "ssl_ca_certs": "/ca"}
    assert host == {
        "master_name": "mine",
        "sentinels": [("one", 1), ("two", 26379)],
        "sentinel_kwargs": {
            "socket_timeout": 2.0,
            "socket_connect_timeout": 2.0,
            "password": "s:",
            **tls,
        },
        "db": 4,
        "username": "ada",
        "password": PASSWORD,
        "socket_timeout": 15,
        **tls,
    }
    assert layer_host("redis://a/1", socket_timeout=15) == {
        "address": "redis://a/1",
        "socket_timeout": 15,
    }


@pytest.mark.parametrize(
    "url",
    [
        "http://:secret@a",
        "localhost:6379",
        "redis+sentinel://:secret@a:1",
        "redis+sentinel://:secret@/mine",
        "redis+sentinel://:secret@a:b/mine",
        "redis+sentinel://:secret@a:1/mine/zero",
        "redis+sentinel://:secret@a:1,/mine",
        "redis+sentinel://:secret@a:1/mine?sentinal_password=secret",
    ],
)
def test_errors_about_urls_omit_the_password(url: str) -> None:
    with pytest.raises(InvalidRedisURL) as raised:
        layer_host(url)
    assert "secret" not in str(raised.value)
    with pytest.raises(InvalidRedisURL):
        client(url)
