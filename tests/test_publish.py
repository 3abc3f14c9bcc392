"""The rate of publishing, and the name under which a user publishes."""

from __future__ import annotations

import time
from typing import Any

import httpx
import pytest

from transports import feed
from transports import publish as publishing
from transports.access.limits import RateLimit
from transports.refusals import Refusal

from .conftest import SERVER_ENVIRONMENT
from .live import LiveServer


def test_a_bucket_empties_and_fills(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 1_000.0
    monkeypatch.setattr(time, "monotonic", lambda: now)
    limit = RateLimit()
    for _ in range(10):
        limit.take("ada", rate=5)
    with pytest.raises(Refusal) as refused:
        limit.take("ada", rate=5)
    assert (refused.value.status, refused.value.headers) == (429, {"Retry-After": "1"})
    limit.take("grace", rate=5)
    now += 0.5
    limit.take("ada", rate=5)
    limit.take("ada", rate=5)
    with pytest.raises(Refusal):
        limit.take("ada", rate=5)


def test_a_slow_rate_says_how_long(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time, "monotonic", lambda: 0.0)
    limit = RateLimit()
    limit.take("ada", rate=0.1)
    with pytest.raises(Refusal) as refused:
        limit.take("ada", rate=0.1)
    assert refused.value.headers == {"Retry-After": "10"}


def test_clients_remembered_are_bounded() -> None:
    limit = RateLimit(most=3)
    for client in "abcdef":
        limit.take(client, rate=1)
    assert list(limit._buckets) == ["d", "e", "f"]


async def test_the_limit_over_a_live_server(room: str) -> None:
    with LiveServer(env={**SERVER_ENVIRONMENT, "PUBLISH_RATE": "2"}) as server:
        async with httpx.AsyncClient(base_url=server.url) as http:
            answers = [
                await http.post(f"/publish/{room}/", json={"sender": "ada", "text": str(n)})
                for n in range(12)
            ]
            refused = [answer for answer in answers if answer.status_code == 429]
            assert refused
            for answer in refused:
                assert answer.headers["content-type"] == "application/problem+json"
                assert int(answer.headers["retry-after"]) >= 1
            batch = (await http.get(f"/polling/{room}/")).json()
            assert len(batch["events"]) == len(answers) - len(refused)


@pytest.mark.parametrize("document", [{"text": "hi"}, {"text": "hi", "sender": "someone else"}])
async def test_a_user_publishes_under_their_own_name(
    document: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    from django.contrib.auth.models import User

    async def record(room: str, sender: str, text: str) -> tuple[str, str, str]:
        return room, sender, text

    class Signed:
        user = User(username="grace")
        scope: dict[str, Any] = {}

    monkeypatch.setattr(feed, "publish", record)
    said: Any = await publishing.publish(Signed(), "r", document)  # type: ignore[arg-type]
    assert said == ("r", "grace", "hi")
