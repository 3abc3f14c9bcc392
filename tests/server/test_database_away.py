"""A database outage: open connections stay, new ones that need it receive 503."""

from __future__ import annotations

import httpx
import pytest

from faults.database import unavailable
from tests.contract.feeds import cursor_of, following
from tests.support.accounts import Accounts
from tests.support.live import LiveServer
from tests.support.waiting import until
from transports.registry import TECHNIQUES

pytestmark = [pytest.mark.own_server]


def check_problem(response: httpx.Response) -> None:
    assert response.status_code == 503, response.text
    assert response.headers["retry-after"] == "1"
    assert response.headers["content-type"] == "application/problem+json"
    assert response.json()["code"] == "unavailable"


async def test_connections_survive_a_database_outage(accounts: Accounts, room: str) -> None:
    accounts.user("ada", is_staff=True)
    token, session = accounts.token("ada"), accounts.session("ada")
    room = f"staff-{room}"

    async def publish(text: str, headers: dict[str, str]) -> httpx.Response:
        return await http.post(f"/publish/{room}/", json={"text": text}, headers=headers)

    with LiveServer(env={**accounts.env, "HEARTBEAT": "30"}) as server:
        async with httpx.AsyncClient(base_url=server.url, timeout=30) as http:
            http.headers.update(token)
            since = await cursor_of(http, room)
            async with following(server.url, room, since, headers=token) as received:
                assert (await publish("before", token)).status_code == 201
                await until(lambda: all(len(events) == 1 for events in received))
                with unavailable(accounts.path):
                    for headers in (token, session):
                        check_problem(await publish("refused", headers))
                        for technique in TECHNIQUES:
                            if technique.scheme == "http":
                                path = technique.url_path(room)
                                check_problem(await http.get(path, headers=headers))
                        announcement = {"kind": "announcement", "arguments": {"text": "hi"}}
                        check_problem(
                            await http.post("/tasks/", json=announcement, headers=headers)
                        )
                    del http.headers["authorization"]
                    page = await http.get("/", headers=session)
                    assert (page.status_code, page.headers["retry-after"]) == (503, "1")
                    # Anonymous requests need no database.
                    document = {"sender": "eve", "text": "hi"}
                    response = await http.post("/publish/open/", json=document)
                    assert response.status_code == 201
                    await until(lambda: "could not be re-checked" in server.output())
                for headers in (token, session):
                    assert (await publish("after", headers)).status_code == 201
                await until(lambda: all(len(events) == 3 for events in received))
            metrics = (await http.get("/metrics")).text
    for technique, events in zip(TECHNIQUES, received, strict=True):
        texts = [event.text for event in events]
        assert texts == ["before", "after", "after"], technique.name
    for name in (technique.name for technique in TECHNIQUES if not technique.is_polled):
        assert f'realtime_opened_total{{technique="{name}"}} 1.0' in metrics, (
            "the connection stayed open"
        )
