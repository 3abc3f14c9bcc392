"""Idempotency keys: a publish that is retried publishes one event."""

from __future__ import annotations

import asyncio
import uuid

import httpx
import pytest

from .feeds import cursor_of
from .test_problems import check_problem

DOCUMENT = {"sender": "ada", "text": "once"}


async def publish_once(
    http: httpx.AsyncClient, room: str, key: str, document: dict[str, str] = DOCUMENT
) -> httpx.Response:
    return await http.post(f"/publish/{room}/", json=document, headers={"Idempotency-Key": key})


async def texts(http: httpx.AsyncClient, room: str, since: str) -> list[str]:
    batch = (await http.get(f"/polling/{room}/", params={"since": since})).json()
    return [event["text"] for event in batch["events"]]


async def test_a_retry_gets_the_first_event(http: httpx.AsyncClient, room: str) -> None:
    since, key = await cursor_of(http, room), uuid.uuid4().hex
    first = await publish_once(http, room, key)
    assert first.status_code == 201
    for spelling in (key, f'"{key}"'):
        retried = await publish_once(http, room, spelling)
        assert (retried.status_code, retried.json()) == (201, first.json())
    assert await texts(http, room, since) == ["once"]


async def test_concurrent_attempts_publish_one_event(http: httpx.AsyncClient, room: str) -> None:
    since, key = await cursor_of(http, room), uuid.uuid4().hex
    responses = await asyncio.gather(*(publish_once(http, room, key) for _ in range(10)))
    assert {response.json()["id"] for response in responses} == {responses[0].json()["id"]}
    assert await texts(http, room, since) == ["once"]


async def test_a_key_is_valid_for_one_room_and_document(http: httpx.AsyncClient, room: str) -> None:
    since, key = await cursor_of(http, room), uuid.uuid4().hex
    assert (await publish_once(http, room, key)).status_code == 201
    other = await publish_once(http, f"{room}-b", key)
    assert other.status_code == 201
    assert other.json()["room"] == f"{room}-b"
    for document in ({**DOCUMENT, "text": "twice"}, {**DOCUMENT, "sender": "bob"}):
        check_problem(await publish_once(http, room, key, document), 422, "Key")
    assert await texts(http, room, since) == ["once"]


@pytest.mark.parametrize("key", ["a b", "x" * 65, '"', '"a', "\xe9"])
async def test_malformed_keys_are_rejected(http: httpx.AsyncClient, room: str, key: str) -> None:
    since = await cursor_of(http, room)
    response = await http.post(
        f"/publish/{room}/", json=DOCUMENT, headers=[(b"Idempotency-Key", key.encode("latin-1"))]
    )
    check_problem(response, 400, "Key")
    assert await texts(http, room, since) == []
