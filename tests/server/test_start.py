"""The start of a server: its log, its port and its options."""

from __future__ import annotations

import subprocess
from contextlib import suppress

import httpx
import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed
from websockets.typing import Subprotocol

from realtime_demo.asgi_servers import APPLICATION, command
from realtime_demo.ports import free_port
from tests.support.live import SERVER, SERVER_ENVIRONMENT, LiveServer
from tests.support.program import ROOT, run_python
from tests.support.waiting import BOUND

ROOM = "start"
VERBOSE = {"uvicorn": ["--access-log", "--log-level", "debug"]}


async def test_no_query_string_and_no_credential_is_logged() -> None:
    secret = {"Authorization": "Bearer secret", "Cookie": "sessionid=secret"}
    protocols = [Subprotocol("realtime.v1"), Subprotocol("token.secret")]
    query = "?since=secret-1&name=secret"
    with LiveServer(APPLICATION, *VERBOSE.get(SERVER, []), env=SERVER_ENVIRONMENT) as server:
        async with httpx.AsyncClient(base_url=server.url, headers=secret) as http:
            for path in (f"/polling/{ROOM}/", "/publish/start/", "/nothing/", "/healthz"):
                await http.get(path + query)
        for headers in ({}, secret):
            with suppress(ConnectionClosed):  # the token is invalid
                url = f"{server.ws_url}/websocket/{ROOM}/{query}"
                async with connect(
                    url, additional_headers=headers, subprotocols=protocols
                ) as socket:
                    await socket.recv()
        server.stop()
        assert "secret" not in server.output()
        assert SERVER not in VERBOSE or "sec-websocket-protocol" in server.output().lower()


def check_port_in_use(name: str, port: int) -> None:
    """Start a second server on the port; its output must name the reason why it ends."""
    second = subprocess.run(
        command(name, port=port), cwd=ROOT, capture_output=True, text=True, timeout=BOUND
    )
    output = second.stdout + second.stderr
    assert "in use" in output.lower() or "errno 98" in output.lower(), output


@pytest.mark.own_server
def test_port_in_use_is_reported(memory_live_server: LiveServer) -> None:
    check_port_in_use(SERVER, memory_live_server.port)


def test_unknown_server_is_reported() -> None:
    with pytest.raises(ValueError, match="SERVER must be one of uvicorn, daphne"):
        command("twisted", port=free_port())


def test_failing_application_is_a_500_without_details() -> None:
    """The application of this test raises an exception."""
    with LiveServer("tests.server.failing:application") as server:
        response = httpx.get(f"{server.url}/")
        assert response.status_code == 500
        assert "as asked" not in response.text


def test_help_names_the_options_of_uvicorn() -> None:
    output = run_python("-m", "realtime_demo.server", "--help").stdout
    for option in ("--host", "--port", "--uds", "--workers"):
        assert option in output
