"""The limit on connections, which the application enforces on any server."""

from __future__ import annotations

import asyncio
import json

import httpx
from websockets.asyncio.client import connect

from tests.support.live import SERVER_ENVIRONMENT, LiveServer
from tests.support.raw import RawConnection, check_raw_problem
from tests.support.sockets import close_of
from tests.support.waiting import BOUND, until_async

ROOM = "limits"


async def test_connections_over_the_cap_are_rejected_until_one_closes() -> None:
    with LiveServer(env={**SERVER_ENVIRONMENT, "MAX_CONNECTIONS": "2"}) as server:
        idle = [await RawConnection.open(server.url) for _ in range(10)]  # do not count
        url, ws_url = server.url, f"{server.ws_url}/websocket/{ROOM}/"
        async with connect(ws_url) as socket, await RawConnection.open(url) as stream:
            await socket.recv()
            await stream.get(f"/streaming/{ROOM}/")
            async with await RawConnection.open(url) as rejected:
                rejected.request(f"/polling/{ROOM}/")
                response = await rejected.response()
                check_raw_problem(response, 503)
                assert response[1]["retry-after"] == "1"
            async with connect(ws_url) as another:
                assert (await close_of(another)).code == 4503
            # Connections within the limit are still served.
            message = {"type": "publish", "room": ROOM, "sender": "ada", "text": "still here"}
            await socket.send(json.dumps(message))
            async with asyncio.timeout(BOUND):
                assert "still here" in str(await socket.recv())
                assert b"still here" in await stream.until(b"still here")
        async with httpx.AsyncClient(base_url=url) as http:

            async def served() -> bool:
                return (await http.get(f"/polling/{ROOM}/")).status_code == 200

            await until_async(served)
        for connection in idle:
            connection.writer.close()
