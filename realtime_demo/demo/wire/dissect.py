"""What the bytes that carried an event are, part by part.

Pure functions: a chunk, a frame or a body, and the event's id; out come parts whose bytes, one
after the other, are the bytes that came in.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any

from .framing import frame_at_start, header_fields, inflated, unmasked

CHUNKED = "https://www.rfc-editor.org/rfc/rfc9112#section-7.1"
LENGTH = "https://www.rfc-editor.org/rfc/rfc9112#section-6.2"
JSON = "https://www.rfc-editor.org/rfc/rfc8259"
NDJSON = "https://github.com/ndjson/ndjson-spec"
SSE = "https://html.spec.whatwg.org/multipage/server-sent-events.html#event-stream-interpretation"
FRAME = "https://www.rfc-editor.org/rfc/rfc6455#section-5.2"
MASKING = "https://www.rfc-editor.org/rfc/rfc6455#section-5.3"
GZIP = "https://www.rfc-editor.org/rfc/rfc1952#section-2.2"

SHOWN = 160  # bytes of a part that is not the event
SECRET = frozenset({b"authorization", b"cookie", b"proxy-authorization", b"set-cookie"})


@dataclass(frozen=True)
class Part:
    """`says` is a key of `explanations.EXPLANATIONS`. `text` is what to show where that is not the
    bytes' own UTF-8."""

    kind: str
    data: bytes
    says: str
    rfc: str
    event: bool = False
    text: str | None = None

    @property
    def document(self) -> dict[str, Any]:
        """As JSON: a long part that is not the event is cut, and says by how much (`omitted`)."""
        data = self.data if self.event else self.data[:SHOWN]
        text = data.decode("utf-8", "replace") if self.text is None else self.text
        document: dict[str, Any] = {
            "kind": self.kind,
            "hex": data.hex(" "),
            "text": text,
            "says": self.says,
            "rfc": self.rfc,
            "event": self.event,
        }
        if len(data) < len(self.data):
            document["omitted"] = len(self.data) - len(data)
        return document


def needle_of(identity: str) -> bytes:
    """The bytes with which the event `identity` begins, in every framing; no text can hold them,
    for its quotes would be escaped."""
    return b'{"id":"%b"' % identity.encode()


def carrier(response_head: bytes, data: bytes, identity: str) -> list[Part]:
    """The parts of what carried the event behind `response_head`."""
    if response_head.startswith(b"HTTP/1.1 101"):
        return frame(data, identity)
    fields = header_fields(response_head)
    if b"chunked" not in fields.get(b"transfer-encoding", b""):
        return batch(data, identity)
    size, content, end = split_chunk(data)
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


def split_chunk(data: bytes) -> tuple[bytes, bytes, bytes]:
    """A chunk's size line, its data and its end (RFC 9112 §7.1)."""
    start = data.index(b"\r\n") + 2
    return data[:start], data[start:-2], data[-2:]


def lines(content: bytes, identity: str) -> list[Part]:
    """Newline-delimited JSON."""
    start, end = place_of(content, identity)
    return present(
        others(content[:start]),
        Part("json", content[start:end], "wire.event", JSON, event=True),
        Part("line-end", content[end : end + 1], "wire.lineEnd", NDJSON),
        others(content[end + 1 :]),
    )


def sse(content: bytes, identity: str) -> list[Part]:
    """Server-Sent Events: the fields `id` and `data`, and the empty line."""
    start, end = place_of(content, identity)
    field = content.rindex(b"\n", 0, start) + 1 if b"\n" in content[:start] else 0
    before = content.rfind(b"\n\n", 0, start)
    first = before + 2 if before >= 0 else 0
    return present(
        others(content[:first]),
        Part("sse-field", content[first:field], "wire.sseId", SSE),
        Part("sse-field", content[field:start], "wire.sseData", SSE),
        Part("json", content[start:end], "wire.event", JSON, event=True),
        Part("sse-end", content[end : end + 2], "wire.sseEnd", SSE),
        others(content[end + 2 :]),
    )


def batch(content: bytes, identity: str) -> list[Part]:
    """A batch of the wire contract, around its events."""
    start, end = place_of(content, identity)
    head, tail = re.match(rb'[^[]*"events":\[', content), len(content.removesuffix(b"]}"))
    if head is None or head.end() > start:
        raise ValueError("This is no batch of events.")
    return present(
        Part("batch", content[: head.end()], "wire.batch", JSON),
        others(content[head.end() : start]),
        Part("json", content[start:end], "wire.event", JSON, event=True),
        others(content[end:tail]),
        Part("batch", content[tail:], "wire.batch", JSON),
    )


def frame(data: bytes, identity: str) -> list[Part]:
    """A frame that the server sent: not masked, with a batch inside."""
    return [*_header(data), *batch(_payload(data), identity)]


def sent(data: bytes) -> list[Part]:
    """A frame that a client sent: masked."""
    said = unmasked(data).decode("utf-8", "replace")
    found = frame_at_start(data)
    assert found is not None
    key = data[found.extended : found.mask]
    return [
        *_header(data),
        Part("frame-mask", key, "wire.frameMask", MASKING, text=key.hex(" ")),
        Part("frame-payload", data[found.mask :], "wire.framePayload", MASKING, True, said),
    ]


def _header(data: bytes) -> list[Part]:
    found = frame_at_start(data)
    if found is None:
        raise ValueError("This is no frame.")
    bits = f"FIN={found.final:d} opcode={found.opcode} MASK={found.masked:d} length={data[1] & 127}"
    parts = [Part("frame-header", data[:2], "wire.frameHeader", FRAME, text=bits)]
    if found.extended > 2:
        length = str(found.end - found.mask)
        extended = data[2 : found.extended]
        parts.append(Part("frame-length", extended, "wire.frameLength", FRAME, text=length))
    return parts


def _payload(data: bytes) -> bytes:
    found = frame_at_start(data)
    assert found is not None
    return data[found.mask :]


def others(data: bytes) -> Part:
    """What came before or behind: events, or how a stream of SSE begins."""
    if b'{"id":"' in data:
        return Part("others", data, "wire.others", JSON)
    return Part("preamble", data, "wire.preamble", SSE)


def present(*parts: Part) -> list[Part]:
    return [part for part in parts if part.data]


def place_of(content: bytes, identity: str) -> tuple[int, int]:
    """Where the event's JSON begins and ends. Raises `ValueError`."""
    start = content.index(needle_of(identity))
    text = content[start:].decode("utf-8", "replace")
    _, length = json.JSONDecoder().raw_decode(text)
    return start, start + len(text[:length].encode())


def note(parts: list[Part]) -> str | None:
    """The key of what is remarkable about them."""
    if any(part.kind == "gzip" for part in parts):
        return "wire.compressed"
    return "wire.together" if any(part.kind == "others" for part in parts) else None


def shown_head(head: bytes) -> str:
    """A head without the values that are somebody's secret."""
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
