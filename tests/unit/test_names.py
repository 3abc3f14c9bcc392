"""Valid and invalid names of senders."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from urllib.parse import quote

import pytest
from django.contrib.auth.models import AnonymousUser

from background.work import WORK
from transports import feed
from transports.events import Draft, Event
from transports.http.problems import Problem
from transports.http.publish import publish
from transports.http.request import Request
from transports.presence.service import own_name

NAMES = [
    *("ada", "에이다", "<b>", "a b", "👩\u200d💻", "\U0001fae8"),
    *("\u200f\u05d0\u05d3\u05d4", "\u0646\u06cc\u0645\u200c\u0641"),  # with a direction mark
]
INVALID_NAMES = {
    "blank": " \t",
    "invisible": "\u200b",
    "invisible and blank": "\u2060 \ufeff\u200d",
    "fillers": "\u3164\u2800\uffa0",
    "marks without a letter": "\u0301\ufe0f",
    "two lines": "ada\nserver: closed",
    "a separator": "ada\u2028",
    "an escape": "\x1b[2Jada",
    "C1": "ada\x9b2J",
    "NUL": "ada\0",
    "a direction override": "\u202eada",
    "an embedding": "ada\u202b",
    "an unterminated isolate": "ada\u2067",
    "too long": "x" * 41,
}


def anonymous_request(query: str = "") -> Request:
    return Request(
        {
            "user": AnonymousUser(),
            "query_string": query.encode(),
            "url_route": {"kwargs": {}},
            "headers": [],
        }
    )


def sender_of_message(name: str) -> str:
    async def record(draft: Draft, key: str | None) -> Event:
        return draft.event("e-1", 0.0)

    request = anonymous_request()
    document = {"sender": name, "text": "hi"}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(feed, "publish", record)
        return asyncio.run(publish(request, "r", document)).sender


def name_of_query(name: str) -> str:
    return own_name(anonymous_request(f"name={quote(name)}"))


def sender_of_announcement(name: str) -> str:
    return str(WORK["announcement"].check({"text": "hi", "sender": name})["sender"])


each_reader = pytest.mark.parametrize(
    "read", [sender_of_message, name_of_query, sender_of_announcement]
)


@each_reader
@pytest.mark.parametrize("name", NAMES)
def test_valid_names_are_unchanged(read: Callable[[str], str | None], name: str) -> None:
    assert read(name) == name


@each_reader
@pytest.mark.parametrize("why", INVALID_NAMES)
def test_invalid_names_are_rejected(read: Callable[[str], str | None], why: str) -> None:
    with pytest.raises(Problem) as rejection:
        read(INVALID_NAMES[why])
    assert rejection.value.status == 400
    assert rejection.value.code in ("sender", "name")
