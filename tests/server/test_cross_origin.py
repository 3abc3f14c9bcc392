"""Cross-origin requests from the pages of `ALLOWED_ORIGINS` (CORS, Fetch §3.2)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import httpx
import pytest

from tests.support.live import LiveServer
from tests.support.waiting import BOUND
from transports.registry import TECHNIQUES

TARGETS = [
    *(technique.path for technique in TECHNIQUES if technique.scheme == "http"),
    "/publish/{room}/",
]


@pytest.fixture
async def http(
    memory_live_server: LiveServer, second_origin: str
) -> AsyncIterator[httpx.AsyncClient]:
    """Return a client that sends the second origin."""
    headers = {"Origin": second_origin}
    url = memory_live_server.url
    async with httpx.AsyncClient(base_url=url, headers=headers, timeout=BOUND) as client:
        yield client


def preflight(*names: str, method: str = "POST") -> dict[str, str]:
    headers = {"Access-Control-Request-Method": method}
    return headers | ({"Access-Control-Request-Headers": ",".join(names)} if names else {})


def listed(response: httpx.Response, name: str) -> set[str]:
    return {item.strip().lower() for item in response.headers.get(name, "").split(",")}


@pytest.mark.parametrize("target", TARGETS)
async def test_preflight_of_an_allowed_origin_is_accepted(
    http: httpx.AsyncClient, room: str, target: str
) -> None:
    request_headers = preflight("authorization", "content-type", "idempotency-key", "last-event-id")
    response = await http.options(target.format(room=room), headers=request_headers)
    assert response.is_success
    assert response.headers["access-control-allow-origin"] == http.headers["origin"]
    assert response.headers["access-control-allow-credentials"] == "true"
    assert listed(response, "access-control-allow-methods") == {"get", "head", "post"}
    assert {"content-type", "authorization"} <= listed(response, "access-control-allow-headers")
    assert "origin" in listed(response, "vary")
    rejected = await http.options(target.format(room=room), headers=preflight(method="DELETE"))
    assert not rejected.is_success


@pytest.mark.parametrize("target", TARGETS)
async def test_allowed_origin_reads_responses_and_problems(
    http: httpx.AsyncClient, room: str, target: str
) -> None:
    method = "POST" if target.startswith("/publish") else "GET"
    body = {"json": {"sender": "ada", "text": "hi"}} if method == "POST" else {}
    for name, statuses in ((room, (200, 201)), ("UPPER", (404,))):
        url = target.format(room=name) + ("?wait=0" if "longpoll" in target else "")
        request = http.build_request(method, url, **body)  # type: ignore[arg-type]
        async with asyncio.timeout(BOUND):
            response = await http.send(request, stream=name == room and "streaming" in target)
        assert response.status_code in statuses
        assert response.headers["access-control-allow-origin"] == http.headers["origin"]
        assert response.headers["access-control-allow-credentials"] == "true"
        assert "cursor" in listed(response, "access-control-expose-headers")
        assert "origin" in listed(response, "vary")
        await response.aclose()


async def test_a_body_over_the_limit_is_a_readable_problem(
    http: httpx.AsyncClient, room: str
) -> None:
    response = await http.post(f"/publish/{room}/", content=b"x" * 70_000)
    assert response.status_code == 413
    assert response.headers["access-control-allow-origin"] == http.headers["origin"]


@pytest.mark.parametrize("origin", ["https://evil.example", "null", "http://127.0.0.1:1"])
@pytest.mark.parametrize("target", TARGETS)
async def test_other_origins_read_nothing(
    http: httpx.AsyncClient, room: str, target: str, origin: str
) -> None:
    headers = {"Origin": origin}
    suffix = "?wait=0" if target.startswith("/longpoll") else ""
    for answer in (
        await http.options(target.format(room=room), headers=headers | preflight()),
        await http.head(target.format(room=room) + suffix, headers=headers),
    ):
        assert not [name for name in answer.headers if name.startswith("access-control-")]


async def test_pages_are_not_for_other_origins(http: httpx.AsyncClient) -> None:
    for path in ("/", "/login/", "/rooms/", "/healthz"):
        response = await http.get(path)
        assert "access-control-allow-origin" not in response.headers
