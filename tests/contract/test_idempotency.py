"""A publish that is tried again under its key is published once."""

from __future__ import annotations

import asyncio
import uuid

import httpx
import pytest

from .feeds import cursor_of
from .test_refusals import check_problem

SAID = {"sender": "ada", "text": "once"}


async def say(
    http: httpx.AsyncClient, room: str, key: str, said: dict[str, str] = SAID
) -> httpx.Response:
    return await http.post(f"/publish/{room}/", json=said, headers={"Idempotency-Key": key})


async def texts(http: httpx.AsyncClient, room: str, since: str) -> list[str]:
    batch = (await http.get(f"/polling/{room}/", params={"since": since})).json()
    return [event["text"] for event in batch["events"]]


async def test_the_second_attempt_is_given_the_first_ones_event(
    http: httpx.AsyncClient, room: str
) -> None:
    since, key = await cursor_of(http, room), uuid.uuid4().hex
    first = await say(http, room, key)
    assert first.status_code == 201
    for spelling in (key, f'"{key}"'):
        again = await say(http, room, spelling)
        assert (again.status_code, again.json()) == (201, first.json())
    assert await texts(http, room, since) == ["once"]


async def test_many_attempts_at_once_are_one_event(http: httpx.AsyncClient, room: str) -> None:
    since, key = await cursor_of(http, room), uuid.uuid4().hex
    answers = await asyncio.gather(*(say(http, room, key) for _ in range(10)))
    assert {answer.json()["id"] for answer in answers} == {answers[0].json()["id"]}
    assert await texts(http, room, since) == ["once"]


async def test_a_key_is_for_one_room_and_one_document(http: httpx.AsyncClient, room: str) -> None:
    since, key = await cursor_of(http, room), uuid.uuid4().hex
    assert (await say(http, room, key)).status_code == 201
    other = await say(http, f"{room}-b", key)
    assert other.status_code == 201
    assert other.json()["room"] == f"{room}-b"
    for said in ({**SAID, "text": "twice"}, {**SAID, "sender": "bob"}):
        check_problem(await say(http, room, key, said), 422, "Key")
    assert await texts(http, room, since) == ["once"]


@pytest.mark.parametrize("key", ["a b", "x" * 65, '"', '"a', "\xe9"])
async def test_what_is_no_key(http: httpx.AsyncClient, room: str, key: str) -> None:
    since = await cursor_of(http, room)
    answer = await http.post(
        f"/publish/{room}/", json=SAID, headers=[(b"Idempotency-Key", key.encode("latin-1"))]
    )
    check_problem(answer, 400, "Key")
    assert await texts(http, room, since) == []
