"""Cursors: read back what was written, and refuse everything else."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from transports.events import Cursor, InvalidCursor

epochs = st.text("abcdefghijklmnopqrstuvwxyz0123456789", min_size=1, max_size=16)
cursors = st.builds(Cursor, epochs, st.integers(0, 999_999_999_999_999))


@given(cursors)
def test_reads_back_what_it_writes(cursor: Cursor) -> None:
    assert Cursor.parse(str(cursor)) == cursor


@given(st.text())
def test_refuses_or_gives_the_same_text(text: str) -> None:
    """Whatever is taken is in its one canonical form: two texts are never one place."""
    try:
        cursor = Cursor.parse(text)
    except InvalidCursor as error:
        assert "k3f9-42" in str(error)
    else:
        assert str(cursor) == text


@given(cursors, st.text(min_size=1, max_size=3))
def test_refuses_anything_around_a_cursor(cursor: Cursor, extra: str) -> None:
    for text in (f"{extra}-{cursor}", f"{cursor}-{extra}", f"{cursor} {extra}", f"\n{cursor}"):
        with pytest.raises(InvalidCursor):
            Cursor.parse(text)


@pytest.mark.parametrize(
    "text", ["", "-", "a", "a-", "-1", "a-01", "a-٣", "a-1\n", "\uff21-1", "a-1e3"]
)
def test_refuses(text: str) -> None:
    with pytest.raises(InvalidCursor):
        Cursor.parse(text)


def test_a_place_belongs_to_its_own_numbering() -> None:
    assert Cursor("storeroom", 3).belongs_to("storeroom")
    assert not Cursor("storeroom", 3).belongs_to("storeother")
    assert Cursor("store", 0).belongs_to("storeroom"), "taken while the room was empty"
    assert not Cursor("store", 1).belongs_to("storeroom")
    assert not Cursor("other", 0).belongs_to("storeroom")
