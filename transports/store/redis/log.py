"""Batches from the entries of a room's stream in Redis.

Each entry has the epoch in which it was numbered. After a replica was promoted, the store
continues with the next number in another epoch (`promotion`); the boundary between the two is a
seam. The former master may have numbered more events, which are lost, so a subscriber that crosses
a seam receives a `reset` whose `missed` is None.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from transports.events import Batch, Cursor, Event
from transports.store.base import STORE_TOKEN_LENGTH, reset

Entry = tuple[bytes, dict[bytes, bytes]]


def cursor_of(entry: Entry) -> Cursor:
    return Cursor(entry[1][b"epoch"].decode(), _seq(entry))


def event_of(entry: Entry) -> Event:
    return Event.decode(entry[1][b"event"])


def head_of(last: Entry | None, store_token: str) -> Cursor:
    """Return the cursor after the room's last entry, in the epoch of its next event."""
    if last is None:
        return Cursor(store_token, 0)
    cursor = cursor_of(last)
    if not store_token:  # flushed just now: the next read detects it
        return cursor
    return Cursor(store_token + cursor.epoch[STORE_TOKEN_LENGTH:], cursor.seq)


def backlog(room: str, entries: Sequence[Entry], length: int, store_token: str) -> Batch:
    """Return the room's last `length` events, for a client without a cursor."""
    head = head_of(entries[-1] if entries else None, store_token)
    latest = entries[max(0, len(entries) - length) :]
    return Batch(room, head, tuple(_events(room, latest, None, head)))


def next_batch(
    room: str, since: Cursor, entries: Sequence[Entry], newest: Entry | None, store_token: str
) -> Batch | None:
    """Return the events after `since`, from the `entries` whose seq is at least that of `since`.

    Return None unless the entries prove that no event after `since` is missing.
    """
    has_since = bool(entries) and cursor_of(entries[0]) == since
    following = entries[1:] if entries and _seq(entries[0]) == since.seq else entries
    if following:
        first = cursor_of(following[0])
        if not has_since and not (first.seq == since.seq + 1 and since.belongs_to(first.epoch)):
            return None
        head = head_of(following[-1], store_token)
    else:
        head = head_of(entries[0] if has_since else newest, store_token)
        if not has_since and since != head:
            return None
    return Batch(room, head, tuple(_events(room, following, since, head)))


def whole_batch(room: str, since: Cursor, entries: Sequence[Entry], store_token: str) -> Batch:
    """Return the events after any `since`, from all entries of the room (at least one)."""
    head = head_of(entries[-1], store_token)
    start = Cursor(cursor_of(entries[0]).epoch, _seq(entries[0]) - 1)
    seqs = [_seq(entry) for entry in entries if since.belongs_to(cursor_of(entry).epoch)]
    missed: int | None = None
    if seqs:
        if seqs[0] == start.seq + 1 and since.seq < start.seq:
            missed = start.seq - since.seq
        elif seqs[0] - 1 <= since.seq and (since.seq <= seqs[-1] or since.epoch != head.epoch):
            # If `since` is after the last seq of its epoch, the former master lost that event: the
            # events after it start at the seam.
            following = [entry for entry in entries if _seq(entry) > min(since.seq, seqs[-1])]
            return Batch(room, head, tuple(_events(room, following, since, head)))
    # Events after `since` were trimmed; or `since` is of another epoch, or after the last event,
    # because an older state was restored.
    events = (reset(room, start, missed), *_events(room, entries, start, head))
    return Batch(room, head, events)


def _events(
    room: str, entries: Iterable[Entry], before: Cursor | None, head: Cursor
) -> Iterator[Event]:
    """Yield the events, with a `reset` at each seam from `before` to `head`."""
    for entry in entries:
        cursor = cursor_of(entry)
        if before is not None and not before.belongs_to(cursor.epoch):
            yield reset(room, Cursor(cursor.epoch, cursor.seq - 1), None)
        yield event_of(entry)
        before = cursor
    if before is not None and not before.belongs_to(head.epoch):
        yield reset(room, head, None)


def _seq(entry: Entry) -> int:
    return int(entry[0].partition(b"-")[0])
