"""The types of the wire contract: cursor, event, draft and batch.

Independent of Django, so that the Python clients can run anywhere.
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
REQUIRED = ("id", "type", "room", "sender", "text", "published_at")
OPTIONAL = ("missed", "of", "name", "data", "traceparent")  # members of an event
_encode = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode
ROOM_NAME = re.compile(r"[a-z0-9-]{1,64}", re.ASCII)
# Names of events, which Server-Sent Events send as `event:`. `EventSource` itself dispatches
# "open" and "error" (WHATWG HTML §9.2.2).
EVENT_NAME = re.compile(r"(?!(?:open|error)$)[A-Za-z0-9][A-Za-z0-9_.:-]{0,63}", re.ASCII)


class InvalidCursor(ValueError):
    """A malformed cursor."""


class Cursor(NamedTuple):
    """A position in a room, `<epoch>-<seq>`: just after event `seq` of the numbering `epoch`.

    The epoch changes when the numbering starts over, so that a cursor never identifies two
    events. `seq` is dense (1, 2, 3 …); 0 is the position before the first event.
    """

    epoch: str
    seq: int

    @classmethod
    def parse(cls, text: str) -> Cursor:
        """Return the cursor in `text`; raises `InvalidCursor`."""
        match = _CURSOR.fullmatch(text) if len(text) <= MAX_CURSOR_LENGTH else None
        if match is None:
            raise InvalidCursor(
                f"A cursor must be an event's id, such as 'k3f9-42'; got {text[:40]!r}."
            )
        return cls(match[1], int(match[2]))

    def belongs_to(self, epoch: str) -> bool:
        """Return whether this is a position in the numbering `epoch`.

        An empty room has its store's epoch, which is a prefix of every room's epoch. So a cursor
        of the empty room stays valid as the position before the room's first event.
        """
        return self.epoch == epoch or (self.seq == 0 and epoch.startswith(self.epoch))

    def __str__(self) -> str:
        return f"{self.epoch}-{self.seq}"


class InvalidEvent(ValueError):
    """JSON that is not an event of the wire contract."""


def encode(value: object) -> bytes:
    """Return `value` as compact UTF-8 JSON: without spaces, and with non-ASCII text unescaped.

    Escapes NEL, LS and PS, at which many clients end a line (UAX #14). Raises `ValueError` for NaN,
    infinity and a lone surrogate, which UTF-8 cannot encode, and `TypeError` for a value that JSON
    does not have.
    """
    text = _encode(value).replace("\x85", r"\u0085")
    return text.replace("\u2028", r"\u2028").replace("\u2029", r"\u2029").encode()


@dataclass(frozen=True)
class Event:
    """One immutable item of a room's feed; its `id` is its cursor.

    `published_at` is Unix time in seconds on the server's clock. Only a `reset` has `missed`: the
    number of events that were trimmed, or None if unknown. Only an `edit` and a `delete` have
    `of`: the id of the event to change. `verified` means that `sender` is an authenticated user.
    `name` and `data`, any JSON value, are a program's own: its kind of event and its payload.
    `traceparent` is the publish's trace context (W3C Trace Context §3.2), if the server traces.
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
    name: str | None = None
    data: Any = field(default=None, hash=False)
    traceparent: str | None = None

    @cached_property
    def cursor(self) -> Cursor:
        return Cursor.parse(self.id)

    @cached_property
    def encoded(self) -> bytes:
        """The event as JSON, encoded once and shared by every subscriber and framing."""
        members = self.__dict__
        document = {name: members[name] for name in REQUIRED}
        if self.type == "reset":
            document["missed"] = self.missed
        for name in ("of", "verified", "name", "data", "traceparent"):
            value = members[name]
            if value is not None and (value or name != "verified"):
                document[name] = value
        return encode(document)

    @classmethod
    def from_document(cls, document: Mapping[str, Any]) -> Event:
        """Return the event of parsed JSON; raises `InvalidEvent`.

        Ignores unknown members and keeps an unknown `type`, so that clients can read the events
        of a newer server.
        """
        try:
            members: dict[str, Any] = {name: document[name] for name in REQUIRED}
            members |= {name: document.get(name) for name in OPTIONAL}
            event = cls(**members, verified=document.get("verified") is True)
            _ = event.cursor
        except (KeyError, TypeError, ValueError) as error:
            raise InvalidEvent(f"Expected an event; got {str(document)[:200]}") from error
        return event

    @classmethod
    def decode(cls, data: bytes) -> Event:
        """Return the event in the JSON `data`, cached as its `encoded`; raises `InvalidEvent`."""
        try:
            document = json.loads(data)
        except ValueError as error:
            raise InvalidEvent(f"Expected JSON; got {data[:200]!r}") from error
        event = cls.from_document(document)
        event.__dict__["encoded"] = data
        return event


class Draft(NamedTuple):
    """An event that the store has not numbered yet; its members are those of `Event`."""

    room: str
    sender: str
    text: str = ""
    type: EventType = "message"
    of: str | None = None
    verified: bool = False
    name: str | None = None
    data: Any = None
    traceparent: str | None = None

    def check(self) -> None:
        """Raise `ValueError` if clients could not receive the event."""
        if not ROOM_NAME.fullmatch(self.room):
            raise ValueError(
                f"A room's name must have 1 to 64 of a-z, 0-9 and '-'; got {self.room!r}."
            )
        if self.name is not None and not EVENT_NAME.fullmatch(self.name):
            raise ValueError(
                "An event's name must have 1 to 64 of A-Z, a-z, 0-9, '_', '.', ':' and '-', and be "
                f"neither 'open' nor 'error'; got {self.name!r}."
            )

    def event(self, identity: str, published_at: float) -> Event:
        room, sender, text, kind, *others = self
        return Event(identity, kind, room, sender, text, published_at, None, *others)


@dataclass(frozen=True)
class Batch:
    """The events a subscriber has missed, in order: `{"room", "cursor", "events": [...]}`.

    `cursor` is the position after the last event, to resume from.
    """

    room: str
    cursor: Cursor
    events: tuple[Event, ...] = ()
    _encodings: dict[Callable[[Batch], Any], Any] = field(
        default_factory=dict, repr=False, compare=False
    )

    @property
    def start(self) -> Cursor:
        """The position before the first event."""
        if not self.events:
            return self.cursor
        first = self.events[0]
        # A reset's id is the position before it; any other event's id is the one after it.
        offset = 0 if first.type == "reset" else 1
        return Cursor(first.cursor.epoch, first.cursor.seq - offset)

    def encoded_by(self, framing: Callable[[Batch], Framed]) -> Framed:
        """Return `framing(self)`, computed once and shared by all subscribers."""
        if framing not in self._encodings:
            self._encodings[framing] = framing(self)
        return cast(Framed, self._encodings[framing])


def batch_json(batch: Batch) -> bytes:
    """Return the batch as JSON, joined from the shared bytes of its events."""
    return b'{"room":"%b","cursor":"%b","events":[%b]}' % (
        batch.room.encode(),
        str(batch.cursor).encode(),
        b",".join([event.encoded for event in batch.events]),
    )
