"""Cursors: parsing, and the rejection of malformed ones."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from transports.events import Cursor, InvalidCursor

epochs = st.text("abcdefghijklmnopqrstuvwxyz0123456789", min_size=1, max_size=16)
cursors = st.builds(Cursor, epochs, st.integers(0, 999_999_999_999_999))


@given(cursors)
def test_a_cursor_parses_back(cursor: Cursor) -> None:
    assert Cursor.parse(str(cursor)) == cursor


@given(st.text())
def test_a_valid_cursor_is_canonical(text: str) -> None:
    """No two texts are the same cursor."""
    try:
        cursor = Cursor.parse(text)
    except InvalidCursor as error:
        assert "k3f9-42" in str(error)
    else:
        assert str(cursor) == text


@given(cursors, st.text(min_size=1, max_size=3))
def test_text_around_a_cursor_is_rejected(cursor: Cursor, extra: str) -> None:
    for text in (f"{extra}-{cursor}", f"{cursor}-{extra}", f"{cursor} {extra}", f"\n{cursor}"):
        with pytest.raises(InvalidCursor):
            Cursor.parse(text)


@pytest.mark.parametrize(
    "text", ["", "-", "a", "a-", "-1", "a-01", "a-٣", "a-1\n", "\uff21-1", "a-1e3"]
)
def test_malformed_cursors_are_rejected(text: str) -> None:
    with pytest.raises(InvalidCursor):
        Cursor.parse(text)


def test_a_cursor_belongs_to_its_own_epoch() -> None:
    assert Cursor("storeroom", 3).belongs_to("storeroom")
    assert not Cursor("storeroom", 3).belongs_to("storeother")
    assert Cursor("store", 0).belongs_to("storeroom"), "from the empty room"
    assert not Cursor("store", 1).belongs_to("storeroom")
    assert not Cursor("other", 0).belongs_to("storeroom")
