"""The rate of publishing, and the name under which a user publishes."""

from __future__ import annotations

import json
import time
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.live import SERVER_ENVIRONMENT, LiveServer
from transports import feed
from transports.events import Draft, Event
from transports.http import publish as publishing
from transports.http.names import text_of
from transports.http.problems import Problem
from transports.http.request import Request
from transports.http.throttling import RateLimit

json_values = st.recursive(
    st.none() | st.booleans() | st.floats() | st.text() | st.integers(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
)
bodies = st.one_of(
    st.binary(),
    json_values.map(lambda value: json.dumps(value).encode()),
    st.fixed_dictionaries({}, optional={"sender": json_values, "text": json_values}).map(
        lambda document: json.dumps(document).encode()
    ),
)


@given(bodies)
def test_any_body_is_an_event_or_a_helpful_problem(body: bytes) -> None:
    try:
        document = publishing.parse_json(body)
        text = text_of(document, "text", 2_000)
        sender = text_of(document, "sender", 40)
    except Problem as problem:
        assert problem.status == 400
        assert problem.code in {"json", "text", "sender"}
        assert problem.detail
    else:
        event = Event("e-1", "message", "r", sender, text, 0.0)
        assert Event.decode(event.encoded) == event, "accepted text can be sent to every client"


def test_a_bucket_empties_and_fills(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 1_000.0
    monkeypatch.setattr(time, "monotonic", lambda: now)
    limit = RateLimit()
    for _ in range(10):
        limit.take("ada", rate=5)
    with pytest.raises(Problem) as rejection:
        limit.take("ada", rate=5)
    assert (rejection.value.status, rejection.value.headers) == (429, {"Retry-After": "1"})
    limit.take("grace", rate=5)
    now += 0.5
    limit.take("ada", rate=5)
    limit.take("ada", rate=5)
    with pytest.raises(Problem):
        limit.take("ada", rate=5)
    limit.take("slow", rate=0.1)
    with pytest.raises(Problem) as rejection:
        limit.take("slow", rate=0.1)
    assert rejection.value.headers == {"Retry-After": "10"}


def test_rate_limited_clients_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time, "monotonic", lambda: 0.0)
    limit = RateLimit(most=3)
    for client in "abcdef":
        limit.take(client, rate=0.1)
    for client in "def":
        with pytest.raises(Problem):
            limit.take(client, rate=0.1)
    limit.take("a", rate=0.1)  # its bucket was dropped


async def test_a_live_server_limits_publishing(room: str) -> None:
    with LiveServer(env={**SERVER_ENVIRONMENT, "PUBLISH_RATE": "2"}) as server:
        async with httpx.AsyncClient(base_url=server.url) as http:
            responses = [
                await http.post(f"/publish/{room}/", json={"sender": "ada", "text": str(n)})
                for n in range(12)
            ]
            rejected = [response for response in responses if response.status_code == 429]
            assert rejected
            for response in rejected:
                assert response.headers["content-type"] == "application/problem+json"
                assert int(response.headers["retry-after"]) >= 1
            batch = (await http.get(f"/polling/{room}/")).json()
            assert len(batch["events"]) == len(responses) - len(rejected)


@pytest.mark.parametrize("document", [{"text": "hi"}, {"text": "hi", "sender": "someone else"}])
async def test_a_user_publishes_under_their_own_name(
    document: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    from django.contrib.auth.models import User

    async def record(draft: Draft, key: str | None) -> Event:
        assert draft.verified
        return draft.event("e-1", 0.0)

    request = Request({"query_string": b"", "url_route": {"kwargs": {}}, "headers": []})
    request.user = User(username="grace")
    monkeypatch.setattr(feed, "publish", record)
    event: Any = await publishing.publish(request, "r", document)
    assert (event.room, event.sender, event.text) == ("r", "grace", "hi")
