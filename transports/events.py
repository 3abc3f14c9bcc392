"""The vocabulary: cursor, event, the draft it begins as, and the batch that carries it.

Nothing here knows Django, so that the Python clients can use it anywhere.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal, NamedTuple, TypeVar, cast, get_args

EventType = Literal["message", "announcement", "edit", "delete", "join", "leave", "reset"]
EVENT_TYPES: frozenset[str] = frozenset(get_args(EventType))
Framed = TypeVar("Framed", bytes, str)
_CURSOR = re.compile(r"([a-z0-9]{1,16})-(0|[1-9][0-9]{0,14})", re.ASCII)
MAX_CURSOR_LENGTH = 32


class InvalidCursor(ValueError):
    """The text is not a cursor this project could ever have handed out."""


class Cursor(NamedTuple):
    """`<epoch>-<seq>`: the place just behind event `seq` of one numbering of a room.

    `epoch` names the numbering: it changes when the numbering starts over, so that a
    number is never taken for another event's. `seq` is dense (1, 2, 3 …); 0 is the
    place before the first event.
    """

    epoch: str
    seq: int

    @classmethod
    def parse(cls, text: str) -> Cursor:
        """Read a cursor; raises `InvalidCursor` for anything else, however odd."""
        match = _CURSOR.fullmatch(text) if len(text) <= MAX_CURSOR_LENGTH else None
        if match is None:
            raise InvalidCursor(
                f"A cursor looks like 'k3f9-42', the id of an event; got {text[:40]!r}."
            )
        return cls(match[1], int(match[2]))

    def belongs_to(self, epoch: str) -> bool:
        """Whether this is a place in the numbering `epoch`.

        A room nobody has published in yet has the epoch of its store, with which the epochs
        of all its rooms begin: its place 0 is the place before their first event.
        """
        return self.epoch == epoch or (self.seq == 0 and epoch.startswith(self.epoch))

    def __str__(self) -> str:
        return f"{self.epoch}-{self.seq}"


class InvalidEvent(ValueError):
    """The JSON is not an event of the wire contract."""


def encode(value: object) -> bytes:
    """`value` as compact UTF-8 JSON: no spaces, no escapes that UTF-8 makes needless.

    Raises `UnicodeEncodeError` for a lone surrogate, which no UTF-8 text can hold.
    """
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()


@dataclass(frozen=True)
class Event:
    """One immutable item of a room's feed; its `id` is its cursor.

    `published_at` is Unix time in seconds on the server's clock. `missed` belongs to a
    `reset` alone: how many events the history could no longer give, or None when even
    that is unknown. `of` belongs to an `edit` and a `delete` alone: the id of the event that
    it changes. `verified` says that `sender` is a user's name, and was shown to be.
    """

    id: str
    type: EventType
    room: str
    sender: str
    text: str
    published_at: float
    missed: int | None = None
    of: str | None = None
    verified: bool = False

    @cached_property
    def cursor(self) -> Cursor:
        return Cursor.parse(self.id)

    @cached_property
    def encoded(self) -> bytes:
        """The event as JSON, made once and shared by every subscriber and framing."""
        document: dict[str, Any] = {
            "id": self.id,
            "type": self.type,
            "room": self.room,
            "sender": self.sender,
            "text": self.text,
            "published_at": self.published_at,
        }
        if self.type == "reset":
            document["missed"] = self.missed
        if self.of is not None:
            document["of"] = self.of
        if self.verified:
            document["verified"] = True
        return encode(document)

    @classmethod
    def from_document(cls, document: Mapping[str, Any]) -> Event:
        """An event from its parsed JSON; raises `InvalidEvent`.

        Members this version does not know are left aside, and a `type` it does not know is
        taken as it is, so that a newer server can be read.
        """
        try:
            event = cls(
                id=document["id"],
                type=cast(EventType, document["type"]),
                room=document["room"],
                sender=document["sender"],
                text=document["text"],
                published_at=document["published_at"],
                missed=document.get("missed"),
                of=document.get("of"),
                verified=document.get("verified") is True,
            )
            _ = event.cursor
        except (KeyError, TypeError, ValueError) as error:
            raise InvalidEvent(f"Not an event: {str(document)[:200]}") from error
        return event

    @classmethod
    def decode(cls, data: bytes) -> Event:
        """An event from the bytes of `encoded`, which it keeps; raises `InvalidEvent`."""
        try:
            document = json.loads(data)
        except ValueError as error:
            raise InvalidEvent(f"Not JSON: {data[:200]!r}") from error
        event = cls.from_document(document)
        event.__dict__["encoded"] = data
        return event


class Draft(NamedTuple):
    """An event that the store has yet to give its place."""

    room: str
    sender: str
    text: str
    type: EventType = "message"
    of: str | None = None
    verified: bool = False

    def event(self, identity: str, published_at: float) -> Event:
        return Event(
            id=identity,
            type=self.type,
            room=self.room,
            sender=self.sender,
            text=self.text,
            published_at=published_at,
            of=self.of,
            verified=self.verified,
        )


@dataclass(frozen=True)
class Batch:
    """What a subscriber has missed, in order: `{"room", "cursor", "events": [...]}`.

    `cursor` is the place behind the last event, from which to go on.
    """

    room: str
    cursor: Cursor
    events: tuple[Event, ...] = ()
    _encodings: dict[Callable[[Batch], Any], Any] = field(
        default_factory=dict, repr=False, compare=False
    )

    @property
    def start(self) -> Cursor:
        """The place behind which its events begin."""
        if not self.events:
            return self.cursor
        first = self.events[0]
        # A reset's id is that place; every other event stands one behind it.
        before = 0 if first.type == "reset" else 1
        return Cursor(first.cursor.epoch, first.cursor.seq - before)

    def encoded_by(self, framing: Callable[[Batch], Framed]) -> Framed:
        """`framing(self)`, computed once: a thousand subscribers share the very same object."""
        if framing not in self._encodings:
            self._encodings[framing] = framing(self)
        return cast(Framed, self._encodings[framing])

    @classmethod
    def from_document(cls, document: Mapping[str, Any]) -> Batch:
        """A batch from its parsed JSON; raises `InvalidEvent` or `InvalidCursor`."""
        try:
            return cls(
                room=document["room"],
                cursor=Cursor.parse(document["cursor"]),
                events=tuple(Event.from_document(event) for event in document["events"]),
            )
        except (KeyError, TypeError) as error:
            raise InvalidEvent(f"Not a batch: {str(document)[:200]}") from error


def batch_json(batch: Batch) -> bytes:
    """The batch of the wire contract, joined from the events' own shared bytes."""
    return b'{"room":%b,"cursor":%b,"events":[%b]}' % (
        encode(batch.room),
        encode(str(batch.cursor)),
        b",".join([event.encoded for event in batch.events]),
    )
