"""The base of the Python clients: back-off, errors, resuming, and the event stream parser."""

from __future__ import annotations

import itertools
import random
from collections.abc import AsyncGenerator
from contextlib import aclosing

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streaming.client import EventStreamParser
from transports.client import Arrival, BackOff, Rejected, TryLater, check_status, resume
from transports.events import Event


def event(seq: int) -> Event:
    return Event(f"e-{seq}", "message", "r", "ada", str(seq), 0.0)


def test_back_off_doubles_within_its_bounds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(random, "uniform", lambda low, high: high)
    back_off = BackOff(first=0.5, most=4)
    assert [back_off.pause() for _ in range(6)] == [0.5, 1, 2, 4, 4, 4]
    back_off.reset()
    assert back_off.pause() == 0.5


def test_back_off_is_full_jitter() -> None:
    pauses = [BackOff(first=1).pause() for _ in range(200)]
    assert min(pauses) < 0.2 < 0.8 < max(pauses) <= 1


async def test_resume_continues_after_the_last_whole_event() -> None:
    cursors: list[str | None] = []

    async def receive(cursor: str | None) -> AsyncGenerator[Arrival, None]:
        cursors.append(cursor)
        if len(cursors) == 1:
            yield (event(1), event(2)), "e-2"
            raise httpx.ReadError("cut")
        if len(cursors) == 2:
            yield (), "e-9"
            raise ConnectionResetError
        yield (event(10),), "e-10"

    numbers = []
    async with aclosing(resume(receive, "e-0", BackOff(first=0))) as events:
        async for arrived in events:
            numbers.append(arrived.cursor.seq)
            if len(numbers) == 3:
                break
    assert numbers == [1, 2, 10]
    assert cursors == ["e-0", "e-2", "e-9"]


def test_a_status_is_final_or_temporary() -> None:
    for status in (400, 403, 404, 405, 410):
        with pytest.raises(Rejected) as rejection:
            check_status(status, None, b'{"detail": "why"}')
        assert (rejection.value.status, "why" in rejection.value.detail) == (status, True)
    for status, retry_after, seconds in (
        (429, "7", 7),
        (503, "1", 1),
        (503, None, 0),
        (500, "x", 0),
    ):
        with pytest.raises(TryLater) as later:
            check_status(status, retry_after, b"")
        assert later.value.seconds == seconds


# --- WHATWG HTML §9.2.6 ------------------------------------------------------------------------


def parse(*pieces: bytes) -> tuple[list[bytes], str]:
    parser = EventStreamParser()
    return [message for piece in pieces for message in parser.feed(piece)], parser.last_event_id


@pytest.mark.parametrize(
    ("stream", "messages", "last_id"),
    [
        (b"data: a\n\n", [b"a"], ""),
        (b"data:a\n\n", [b"a"], ""),
        (b"data:  a\n\n", [b" a"], ""),
        (b"data: a\ndata: b\n\n", [b"a\nb"], ""),
        (b"data: a\r\n\r\ndata: b\r\rdata: c\n\n", [b"a", b"b", b"c"], ""),
        (b"\xef\xbb\xbfdata: a\n\n", [b"a"], ""),
        (b": a comment\n\n:\n\n", [], ""),
        (b"id: 7\ndata: a\n\ndata: b\n\n", [b"a", b"b"], "7"),
        (b"id: 7\ndata: a\n\nid\ndata: b\n\n", [b"a", b"b"], ""),
        (b"id: 7\n\n", [], "7"),
        (b"id: 7\0\ndata: a\n\n", [b"a"], ""),
        (b"retry: 10\nevent: x\nfoo: bar\ndata\n\n", [], ""),
        (b"data: never finished\n", [], ""),
        (b"id: 7\ndata: never finished", [], ""),
    ],
)
def test_event_streams_are_parsed_by_the_standard(
    stream: bytes, messages: list[bytes], last_id: str
) -> None:
    assert parse(stream) == (messages, last_id)
    assert parse(*(stream[i : i + 1] for i in range(len(stream)))) == (messages, last_id)


@given(
    st.lists(st.sampled_from([b"data: a", b"id: 1", b"\r", b"\n", b"\r\n", b":", b"\xef"])),
    st.data(),
)
def test_the_parser_accepts_any_chunks(parts: list[bytes], data: st.DataObject) -> None:
    stream = b"".join(parts)
    places = sorted(data.draw(st.lists(st.integers(0, len(stream)))))
    bounds = [0, *places, len(stream)]
    pieces = [stream[a:b] for a, b in itertools.pairwise(bounds)]
    assert parse(*pieces) == parse(stream)
