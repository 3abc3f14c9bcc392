"""Dissection of the bytes that carried an event.

Pure functions of a chunk, a frame or a body, and the event's id. They return parts whose bytes,
joined, are the given bytes.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any

from django.utils.translation import gettext_lazy as _

from .parsing import Frame, frame_at_start, header_fields, inflated, unmasked

CHUNKED = "https://www.rfc-editor.org/rfc/rfc9112#section-7.1"
JSON = "https://www.rfc-editor.org/rfc/rfc8259"
NDJSON = "https://github.com/ndjson/ndjson-spec"
SSE = "https://html.spec.whatwg.org/multipage/server-sent-events.html#event-stream-interpretation"
FRAME = "https://www.rfc-editor.org/rfc/rfc6455#section-5.2"
MASKING = "https://www.rfc-editor.org/rfc/rfc6455#section-5.3"
GZIP = "https://www.rfc-editor.org/rfc/rfc1952#section-2.2"

# Explanations of the parts, by their keys.
EXPLANATIONS = {
    "wire.chunkSize": _(
        "The chunk's size in hexadecimal. With chunks, a response can continue without a known "
        "length."
    ),
    "wire.chunkEnd": _("A line break that ends the chunk; it is not part of an event."),
    "wire.batch": _(
        "The batch around the events of one response, with the cursor to continue from."
    ),
    "wire.event": _("The event itself, in JSON."),
    "wire.others": _("Other events that arrived in the same piece."),
    "wire.preamble": _(
        "The beginning of the stream: the reconnection time and the cursor to continue from."
    ),
    "wire.lineEnd": _("A line feed: here the event ends, wherever the bytes were split."),
    "wire.sseId": _("The event's id, which the browser sends as Last-Event-ID when it reconnects."),
    "wire.sseData": _("The name of the field that carries the event."),
    "wire.sseEnd": _("An empty line: now the browser dispatches the event."),
    "wire.gzip": _("A separate gzip member: browsers read only the first one of a response."),
    "wire.frameHeader": _(
        "The frame's first two bytes: whether it ends its message, its type (text), whether it is "
        "masked, and its length."
    ),
    "wire.frameLength": _("The extended length, for a payload of more than 125 bytes."),
    "wire.frameMask": _("The masking key, required in every frame from a client."),
    "wire.framePayload": _("The client's message; each byte is XORed with a byte of the key."),
    "wire.compressed": _(
        "The stream was compressed: these are the event's bytes after compression."
    ),
    "wire.together": _("Several events arrived in one piece, sent by one write."),
}

SHOWN = 160  # bytes shown of a part that is not the event
SECRET = frozenset({b"authorization", b"cookie", b"proxy-authorization", b"set-cookie"})


@dataclass(frozen=True)
class Part:
    """A part of the dissected bytes.

    `explanation` is a key of `EXPLANATIONS`. `text` is shown instead of the bytes
    decoded as UTF-8.
    """

    kind: str
    data: bytes
    explanation: str
    rfc: str
    event: bool = False
    text: str | None = None

    @property
    def document(self) -> dict[str, Any]:
        """The part as JSON. Bytes past `SHOWN` are left out, unless it is the event."""
        data = self.data if self.event else self.data[:SHOWN]
        text = data.decode("utf-8", "replace") if self.text is None else self.text
        document: dict[str, Any] = {
            "kind": self.kind,
            "hex": data.hex(" "),
            "text": text,
            "says": self.explanation,
            "rfc": self.rfc,
            "event": self.event,
        }
        if len(data) < len(self.data):
            document["omitted"] = len(self.data) - len(data)
        return document


def needle_of(identity: str) -> bytes:
    """Return the first bytes of the event's JSON, the same in every framing.

    They cannot occur in an event's text, whose quotes are escaped.
    """
    return b'{"id":"%b"' % identity.encode()


def carrier(response_head: bytes, data: bytes, identity: str) -> list[Part]:
    """Dissect the carrier of the event in a response with this head."""
    if response_head.startswith(b"HTTP/1.1 101"):
        return frame(data, identity)
    fields = header_fields(response_head)
    if b"chunked" not in fields.get(b"transfer-encoding", b""):
        return batch(data, identity)
    start = data.index(b"\r\n") + 2  # RFC 9112 §7.1: the size, the data, a line break
    size, content, end = data[:start], data[start:-2], data[-2:]
    if b"gzip" in fields.get(b"content-encoding", b""):
        text = inflated(content).decode("utf-8", "replace")
        inner = [Part("gzip", content, "wire.gzip", GZIP, event=True, text=text)]
    elif b"event-stream" in fields.get(b"content-type", b""):
        inner = sse(content, identity)
    else:
        inner = lines(content, identity)
    return [
        Part("chunk-size", size, "wire.chunkSize", CHUNKED),
        *inner,
        Part("chunk-end", end, "wire.chunkEnd", CHUNKED),
    ]


def lines(content: bytes, identity: str) -> list[Part]:
    """Dissect newline-delimited JSON."""
    start, end = span_of(content, identity)
    return present(
        other_events(content[:start]),
        Part("json", content[start:end], "wire.event", JSON, event=True),
        Part("line-end", content[end : end + 1], "wire.lineEnd", NDJSON),
        other_events(content[end + 1 :]),
    )


def sse(content: bytes, identity: str) -> list[Part]:
    """Dissect Server-Sent Events: the fields `id` and `data`, and the empty line."""
    start, end = span_of(content, identity)
    data_start = content.rindex(b"\n", 0, start) + 1 if b"\n" in content[:start] else 0
    blank_line = content.rfind(b"\n\n", 0, start)
    event_start = blank_line + 2 if blank_line >= 0 else 0
    return present(
        other_events(content[:event_start]),
        Part("sse-field", content[event_start:data_start], "wire.sseId", SSE),
        Part("sse-field", content[data_start:start], "wire.sseData", SSE),
        Part("json", content[start:end], "wire.event", JSON, event=True),
        Part("sse-end", content[end : end + 2], "wire.sseEnd", SSE),
        other_events(content[end + 2 :]),
    )


def batch(content: bytes, identity: str) -> list[Part]:
    """Dissect a batch of the wire contract."""
    start, end = span_of(content, identity)
    head, tail = re.match(rb'[^[]*"events":\[', content), len(content.removesuffix(b"]}"))
    if head is None or head.end() > start:
        raise ValueError(f"expected a batch of events; got {content[:80]!r}")
    return present(
        Part("batch", content[: head.end()], "wire.batch", JSON),
        other_events(content[head.end() : start]),
        Part("json", content[start:end], "wire.event", JSON, event=True),
        other_events(content[end:tail]),
        Part("batch", content[tail:], "wire.batch", JSON),
    )


def frame(data: bytes, identity: str) -> list[Part]:
    """Dissect a frame from the server: not masked, with a batch."""
    header, parts = _header(data)
    return [*parts, *batch(data[header.mask :], identity)]


def client_frame(data: bytes) -> list[Part]:
    """Dissect a frame from a client: masked."""
    text = unmasked(data).decode("utf-8", "replace")
    header, parts = _header(data)
    key = data[header.extended : header.mask]
    return [
        *parts,
        Part("frame-mask", key, "wire.frameMask", MASKING, text=key.hex(" ")),
        Part("frame-payload", data[header.mask :], "wire.framePayload", MASKING, True, text),
    ]


def _header(data: bytes) -> tuple[Frame, list[Part]]:
    frame = frame_at_start(data)
    if frame is None:
        raise ValueError(f"expected a WebSocket frame; got {data[:80]!r}")
    bits = f"FIN={frame.final:d} opcode={frame.opcode} MASK={frame.masked:d} length={data[1] & 127}"
    parts = [Part("frame-header", data[:2], "wire.frameHeader", FRAME, text=bits)]
    if frame.extended > 2:
        length = str(frame.end - frame.mask)
        extended = data[2 : frame.extended]
        parts.append(Part("frame-length", extended, "wire.frameLength", FRAME, text=length))
    return frame, parts


def other_events(data: bytes) -> Part:
    """Return the part before or after the event: other events, or the start of an SSE stream."""
    if b'{"id":"' in data:
        return Part("others", data, "wire.others", JSON)
    return Part("preamble", data, "wire.preamble", SSE)


def present(*parts: Part) -> list[Part]:
    return [part for part in parts if part.data]


def span_of(content: bytes, identity: str) -> tuple[int, int]:
    """Return the start and end of the event's JSON. Raise `ValueError` if it is missing."""
    start = content.index(needle_of(identity))
    text = content[start:].decode("utf-8", "replace")
    _, length = json.JSONDecoder().raw_decode(text)
    return start, start + len(text[:length].encode())


def note(parts: list[Part]) -> str | None:
    """Return the key of an explanation of the parts together, if there is one."""
    if any(part.kind == "gzip" for part in parts):
        return "wire.compressed"
    return "wire.together" if any(part.kind == "others" for part in parts) else None


def shown_head(head: bytes) -> str:
    """Return a head without credentials."""
    shown = []
    for line in head.decode("latin-1").removesuffix("\r\n\r\n").split("\r\n"):
        name, colon, value = line.partition(":")
        key = name.strip().lower().encode()
        if key in SECRET or b"token" in key:
            shown.append(f"{name}: …")
        elif key == b"sec-websocket-protocol" and "token." in value:
            shown.append(f"{name}:{re.sub(r'token[.][^, ]*', 'token.…', value)}")
        else:
            shown.append(f"{name}{colon}{value}")
    return "\r\n".join(shown)
