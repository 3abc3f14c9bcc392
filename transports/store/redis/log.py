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


def head_of(last: Entry | None, store: str) -> Cursor:
    """Return the cursor after the room's last entry, in the epoch of its next event."""
    if last is None:
        return Cursor(store, 0)
    cursor = cursor_of(last)
    if not store:  # flushed just now: the next read will show that
        return cursor
    return Cursor(store + cursor.epoch[STORE_TOKEN_LENGTH:], cursor.seq)


def backlog(room: str, entries: Sequence[Entry], length: int, store: str) -> Batch:
    """Return the room's last `length` events, for a client without a cursor."""
    head = head_of(entries[-1] if entries else None, store)
    last = entries[max(0, len(entries) - length) :]
    return Batch(room, head, tuple(_events(room, last, None, head)))


def next_batch(
    room: str, since: Cursor, entries: Sequence[Entry], newest: Entry | None, store: str
) -> Batch | None:
    """Return the events after `since`, from `entries` that start at it, if it exists.

    Return None unless the entries prove that no event is missing between.
    """
    own = bool(entries) and cursor_of(entries[0]) == since
    following = entries[1:] if entries and _seq(entries[0]) == since.seq else entries
    if following:
        first = cursor_of(following[0])
        if not own and not (first.seq == since.seq + 1 and since.belongs_to(first.epoch)):
            return None
        head = head_of(following[-1], store)
    else:
        head = head_of(entries[0] if own else newest, store)
        if not own and since != head:
            return None
    return Batch(room, head, tuple(_events(room, following, since, head)))


def whole_batch(room: str, since: Cursor, entries: Sequence[Entry], store: str) -> Batch:
    """Return the events after any `since`, from all entries of the room (at least one)."""
    head = head_of(entries[-1], store)
    start = Cursor(cursor_of(entries[0]).epoch, _seq(entries[0]) - 1)
    run = [_seq(entry) for entry in entries if since.belongs_to(cursor_of(entry).epoch)]
    missed: int | None = None
    if run:
        if run[0] == start.seq + 1 and since.seq < start.seq:
            missed = start.seq - since.seq
        elif run[0] - 1 <= since.seq and (since.seq <= run[-1] or since.epoch != head.epoch):
            # A number after the run's last one is of an event that the former master lost: the
            # events after `since` start at the seam.
            following = [entry for entry in entries if _seq(entry) > min(since.seq, run[-1])]
            return Batch(room, head, tuple(_events(room, following, since, head)))
    # Another epoch; or a number after the last one: an older state was restored.
    events = (reset(room, start, missed), *_events(room, entries, start, head))
    return Batch(room, head, events)


def _events(
    room: str, entries: Iterable[Entry], before: Cursor | None, head: Cursor
) -> Iterator[Event]:
    """Yield the events, with a `reset` at each seam."""
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
