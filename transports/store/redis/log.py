"""What a room's stream in Redis says: its entries, and the seams of its numbering.

An entry carries the epoch in which it was given its number. Where a replica was promoted the
store goes on under another epoch (`promotion`), with the room's next number; between the
last entry of the one and the first of the other is a seam. Nobody knows what the former master had
given beyond it, and so everyone who comes across it is told, by a `reset` that cannot say how much.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from transports.events import Batch, Cursor, Event
from transports.store.base import STORE_TOKEN_LENGTH, reset

Entry = tuple[bytes, dict[bytes, bytes]]


def place_of(entry: Entry) -> Cursor:
    return Cursor(entry[1][b"epoch"].decode(), _seq(entry))


def event_of(entry: Entry) -> Event:
    return Event.decode(entry[1][b"event"])


def head_of(last: Entry | None, store: str) -> Cursor:
    """The place behind the room's last entry, in the epoch that its next event is going to have."""
    if last is None:
        return Cursor(store, 0)
    place = place_of(last)
    if not store:  # flushed a moment ago: the next look will see that
        return place
    return Cursor(store + place.epoch[STORE_TOKEN_LENGTH:], place.seq)


def backlog(room: str, entries: Sequence[Entry], length: int, store: str) -> Batch:
    """The room's last `length` events, for one who has no place yet."""
    head = head_of(entries[-1] if entries else None, store)
    last = entries[max(0, len(entries) - length) :]
    return Batch(room, head, tuple(_told(room, last, None, head)))


def next_batch(
    room: str, since: Cursor, entries: Sequence[Entry], newest: Entry | None, store: str
) -> Batch | None:
    """What follows `since`, from the entries that begin with its own (if there is one).

    None where they do not show that nothing is missing between.
    """
    own = bool(entries) and place_of(entries[0]) == since
    following = entries[1:] if entries and _seq(entries[0]) == since.seq else entries
    if following:
        first = place_of(following[0])
        if not own and not (first.seq == since.seq + 1 and since.belongs_to(first.epoch)):
            return None
        head = head_of(following[-1], store)
    else:
        head = head_of(entries[0] if own else newest, store)
        if not own and since != head:
            return None
    return Batch(room, head, tuple(_told(room, following, since, head)))


def whole_batch(room: str, since: Cursor, entries: Sequence[Entry], store: str) -> Batch:
    """What follows `since`, wherever that is, from all the entries there are (at least one)."""
    head = head_of(entries[-1], store)
    start = Cursor(place_of(entries[0]).epoch, _seq(entries[0]) - 1)
    run = [_seq(entry) for entry in entries if since.belongs_to(place_of(entry).epoch)]
    missed: int | None = None
    if run:
        if run[0] == start.seq + 1 and since.seq < start.seq:
            missed = start.seq - since.seq
        elif run[0] - 1 <= since.seq and (since.seq <= run[-1] or since.epoch != head.epoch):
            # A number behind the run's last one the former master gave, and took with it: what
            # follows is behind the seam.
            following = [entry for entry in entries if _seq(entry) > min(since.seq, run[-1])]
            return Batch(room, head, tuple(_told(room, following, since, head)))
    # Of another numbering; or a number that is not given yet: an older state was restored.
    told = (reset(room, start, missed), *_told(room, entries, start, head))
    return Batch(room, head, told)


def _told(
    room: str, entries: Iterable[Entry], before: Cursor | None, head: Cursor
) -> Iterator[Event]:
    """The events, with a `reset` at each seam."""
    for entry in entries:
        place = place_of(entry)
        if before is not None and not before.belongs_to(place.epoch):
            yield reset(room, Cursor(place.epoch, place.seq - 1), None)
        yield event_of(entry)
        before = place
    if before is not None and not before.belongs_to(head.epoch):
        yield reset(room, head, None)


def _seq(entry: Entry) -> int:
    return int(entry[0].partition(b"-")[0])
