"""Events and batches, and their JSON."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from transports.client import batch_of
from transports.events import Batch, Cursor, Event, InvalidCursor, InvalidEvent, batch_json

texts = st.text(st.characters(exclude_categories=["Cs"]))
events = st.builds(
    Event,
    id=st.integers(1, 10**9).map(lambda seq: f"k3f9-{seq}"),
    type=st.sampled_from(["message", "announcement", "join", "leave"]),
    room=st.just("lobby"),
    sender=texts,
    text=texts,
    published_at=st.floats(0, 1e11).map(lambda seconds: round(seconds, 6)),
)


@given(events)
def test_an_event_parses_back(event: Event) -> None:
    assert Event.decode(event.encoded) == event
    assert Event.decode(event.encoded).encoded is not None
    assert b"\n" not in event.encoded, "a line of NDJSON ends with the event"
    assert b"\r" not in event.encoded, "a line of Server-Sent Events ends with the event"


def test_the_members_of_an_event() -> None:
    event = Event("k3f9-42", "message", "lobby", "ada", "hi", 1763793600.123456)
    assert event.encoded == (
        b'{"id":"k3f9-42","type":"message","room":"lobby","sender":"ada","text":"hi",'
        b'"published_at":1763793600.123456}'
    )
    reset = Event("k3f9-7", "reset", "lobby", "", "gone", 1.5, missed=3)
    assert json.loads(reset.encoded)["missed"] == 3
    assert "missed" not in json.loads(event.encoded)


@given(st.lists(events, max_size=5))
def test_a_batch_is_joined_from_its_events(events: list[Event]) -> None:
    batch = Batch("lobby", Cursor("k3f9", 42), tuple(events))
    document = json.loads(batch_json(batch))
    assert (document["room"], document["cursor"]) == ("lobby", "k3f9-42")
    assert batch_of(document) == batch


def test_a_batch_is_encoded_once_for_all_subscribers() -> None:
    batch = Batch("lobby", Cursor("k3f9", 0))
    assert batch.encoded_by(batch_json) is batch.encoded_by(batch_json)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"{",
        b"[]",
        b"7",
        b"{}",
        b'{"id": 7, "type": "message", "room": "r", "sender": "", "text": "", "published_at": 0}',
        b'{"id": "x", "type": "message", "room": "r", "sender": "", "text": "", "published_at": 0}',
    ],
)
def test_invalid_events_are_rejected(data: bytes) -> None:
    with pytest.raises(InvalidEvent):
        Event.decode(data)


def test_invalid_batches_are_rejected() -> None:
    with pytest.raises(InvalidEvent):
        batch_of({"room": "lobby", "cursor": "a-1"})
    with pytest.raises(InvalidCursor):
        batch_of({"room": "lobby", "cursor": "?", "events": []})
