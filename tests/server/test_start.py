"""The start of a server: its log, its port, and services without lifespan."""

from __future__ import annotations

import subprocess
import sys
from contextlib import suppress

import httpx
import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

from realtime_demo.asgi_servers import APPLICATION, SERVERS, command, free_port
from tests.conftest import SERVER_ENVIRONMENT
from tests.support.live import SERVER, LiveServer
from tests.support.program import ROOT
from tests.support.redis_server import RedisServer
from tests.support.waiting import BOUND, until_async

ROOM = "start"
VERBOSE = {"uvicorn": ["--access-log", "--log-level", "debug"]}


@pytest.mark.parametrize("arguments", [[], VERBOSE.get(SERVER, [])], ids=["default", "verbose"])
async def test_no_query_string_and_no_credential_is_logged(arguments: list[str]) -> None:
    secret = {"Authorization": "Bearer secret", "Cookie": "sessionid=secret"}
    query = "?since=secret-1&name=secret"
    with LiveServer(APPLICATION, *arguments, env=SERVER_ENVIRONMENT) as server:
        async with httpx.AsyncClient(base_url=server.url, headers=secret) as http:
            for path in (f"/polling/{ROOM}/", "/publish/start/", "/nothing/", "/healthz"):
                await http.get(path + query)
        for headers in ({}, secret):
            with suppress(ConnectionClosed):  # the token is invalid
                url = f"{server.ws_url}/websocket/{ROOM}/{query}"
                async with connect(url, additional_headers=headers) as socket:
                    await socket.recv()
        server.stop()
        assert "secret" not in server.output()


# Granian's processes share a port (SO_REUSEPORT): there a second server is not an error.
@pytest.mark.parametrize("name", [name for name in SERVERS if name != "granian"])
def test_port_in_use_is_reported(name: str) -> None:
    with LiveServer(server=name, env=SERVER_ENVIRONMENT) as server:
        second = subprocess.run(
            command(name, port=server.port),
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=BOUND,
        )
        output = second.stdout + second.stderr
        assert "in use" in output.lower() or "errno 98" in output.lower(), output


def test_unknown_server_is_reported() -> None:
    with pytest.raises(ValueError, match="SERVER must be one of uvicorn, daphne"):
        command("twisted", port=free_port())


@pytest.mark.redis
@pytest.mark.parametrize("name", SERVERS)
async def test_services_start_without_lifespan_too(name: str, redis_server: RedisServer) -> None:
    """Stock Daphne sends no lifespan events: the first request starts the services."""
    environment = {**SERVER_ENVIRONMENT, "REDIS_URL": redis_server.url}
    room = f"{ROOM}-{name}"
    with (
        LiveServer(server=name, env=environment) as one,
        LiveServer(server=name, env=environment) as other,
    ):
        async with connect(f"{one.ws_url}/websocket/{room}/?name=ada") as socket:
            await socket.recv()
            async with httpx.AsyncClient(base_url=other.url) as http:

                async def is_present() -> bool:
                    rooms = (await http.get("/rooms/")).json()["rooms"]
                    return any("ada" in room_entry["people"] for room_entry in rooms)

                await until_async(is_present)


def test_failing_application_is_a_500_without_details() -> None:
    """The application of this test raises an exception."""
    with LiveServer("tests.server.failing:application") as server:
        response = httpx.get(f"{server.url}/")
        assert response.status_code == 500
        assert "as asked" not in response.text


def test_help_names_the_options_of_uvicorn() -> None:
    module = [sys.executable, "-m", "realtime_demo.server", "--help"]
    output = subprocess.run(module, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    for option in ("--host", "--port", "--uds", "--workers"):
        assert option in output
