"""Wire dumps: dissected bytes, framing, the recorder and the buffering fault."""

from __future__ import annotations

import gzip
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from realtime_demo.demo.wire import capture, dissect
from realtime_demo.demo.wire.capture import Recorder, Splitter
from realtime_demo.demo.wire.dissect import EXPLANATIONS
from realtime_demo.demo.wire.parsing import chunk_end, frame_at_start, frame_end, unmask
from realtime_demo.tap.network import Buffer
from tests.support.wire import chunk, frame, response

EVENT = '{"id":"k3f9-42","type":"message","text":"안녕 {\\"id\\":\\"k3f9-43\\"}"}'.encode()
OTHER = b'{"id":"k3f9-41","type":"message","text":"]}"}'
BATCH = b'{"room":"lobby","cursor":"k3f9-42","events":[%b]}'
NDJSON = (
    b"HTTP/1.1 200 OK\r\nContent-Type: application/x-ndjson\r\nTransfer-Encoding: chunked\r\n\r\n"
)
SSE = NDJSON.replace(b"application/x-ndjson", b"text/event-stream")
GZIP = NDJSON.replace(b"\r\n\r\n", b"\r\nContent-Encoding: gzip\r\n\r\n")
SOCKET = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: WebSocket\r\n\r\n"


def dissected(head: bytes, carrier: bytes) -> list[tuple[str, bytes]]:
    """Return kinds and bytes of the parts; check that they are complete and one is the event."""
    parts = dissect.carrier(head, carrier, "k3f9-42")
    assert b"".join(part.data for part in parts) == carrier
    assert [part.kind for part in parts if part.event] in (["json"], ["gzip"])
    assert all(
        part.explanation in EXPLANATIONS and part.rfc.startswith("https://") for part in parts
    )
    return [(part.kind, part.data) for part in parts]


def test_a_line_of_a_stream_is_dissected() -> None:
    carrier = chunk(EVENT + b"\n")
    assert dissected(NDJSON, carrier) == [
        ("chunk-size", b"%x\r\n" % (len(EVENT) + 1)),
        ("json", EVENT),
        ("line-end", b"\n"),
        ("chunk-end", b"\r\n"),
    ]


def test_a_line_among_others_is_found() -> None:
    parts = dissected(NDJSON, chunk(OTHER + b"\n" + EVENT + b"\n" + OTHER + b"\n"))
    assert [kind for kind, _ in parts] == [
        *("chunk-size", "others", "json", "line-end", "others", "chunk-end")
    ]
    assert parts[1][1] == parts[4][1] == OTHER + b"\n"


def test_a_server_sent_event_is_dissected() -> None:
    before = b"retry: 1000\nid: k3f9-41\n\n"
    parts = dissected(SSE, chunk(before + b"id: k3f9-42\ndata: " + EVENT + b"\n\n"))
    assert parts[1:-1] == [
        ("preamble", before),
        ("sse-field", b"id: k3f9-42\n"),
        ("sse-field", b"data: "),
        ("json", EVENT),
        ("sse-end", b"\n\n"),
    ]


def test_a_batch_in_a_body_is_dissected() -> None:
    carrier = BATCH % (OTHER + b"," + EVENT)
    assert dissected(response(carrier).removesuffix(carrier), carrier) == [
        ("batch", b'{"room":"lobby","cursor":"k3f9-42","events":['),
        ("others", OTHER + b","),
        ("json", EVENT),
        ("batch", b"]}"),
    ]


@pytest.mark.parametrize("size", [125, 126, 65_535, 65_536])
def test_a_frame_of_every_length_is_dissected(size: int) -> None:
    short = b'{"id":"k3f9-42"}'
    payload = BATCH % short
    payload = payload.replace(b"lobby", b"l" * (size - len(payload) + len(b"lobby")), 1)
    assert len(payload) == size
    length = {125: b"\x7d", 126: b"\x7e\x00\x7e", 65_535: b"\x7e\xff\xff"}
    extended = length.get(size, b"\x7f\x00\x00\x00\x00\x00\x01\x00\x00")
    parts = dissected(SOCKET, b"\x81" + extended + payload)
    kinds = [kind for kind, _ in parts]
    assert kinds == ["frame-header", *["frame-length"] * (size > 125), "batch", "json", "batch"]
    assert ("json", short) in parts


def test_a_masked_frame_is_dissected() -> None:
    """Dissect the masked "Hello" of RFC 6455 §5.7."""
    parts = dissect.client_frame(bytes.fromhex("81 85 37 fa 21 3d 7f 9f 4d 51 58"))
    assert [(part.kind, part.data.hex(), part.text) for part in parts] == [
        ("frame-header", "8185", "FIN=1 opcode=1 MASK=1 length=5"),
        ("frame-mask", "37fa213d", "37 fa 21 3d"),
        ("frame-payload", "7f9f4d5158", "Hello"),
    ]
    with pytest.raises(ValueError, match="masked"):
        dissect.client_frame(b"\x81\x05Hello")


def test_a_compressed_chunk_is_decompressed() -> None:
    carrier = chunk(gzip.compress(EVENT + b"\n"))
    parts = dissect.carrier(GZIP, carrier, "k3f9-42")
    assert [part.kind for part in parts] == ["chunk-size", "gzip", "chunk-end"]
    assert parts[1].document["text"] == EVENT.decode() + "\n"
    assert dissect.note(parts) == "wire.compressed"


def test_events_sent_together_get_a_note() -> None:
    alone = dissect.carrier(NDJSON, chunk(EVENT + b"\n"), "k3f9-42")
    together = dissect.carrier(NDJSON, chunk(EVENT + b"\n" + OTHER + b"\n"), "k3f9-42")
    assert (dissect.note(alone), dissect.note(together)) == (None, "wire.together")


def test_a_long_part_is_shortened_in_json() -> None:
    event = dissect.Part("json", EVENT, "wire.event", dissect.JSON, event=True)
    assert bytes.fromhex(event.document["hex"]) == EVENT
    assert event.document["text"] == EVENT.decode()
    long = dissect.Part("others", b"x" * 1000, "wire.others", dissect.JSON)
    data = bytes.fromhex(long.document["hex"])
    assert len(data) + long.document["omitted"] == 1000


def test_secrets_are_not_shown() -> None:
    head = (
        b"GET /streaming/lobby/ HTTP/1.1\r\nHost: a\r\nCookie: sessionid=secret\r\n"
        b"AUTHORIZATION: Bearer secret\r\nX-CSRFToken: secret\r\n"
        b"Sec-WebSocket-Protocol: realtime.v1, token.secret\r\n\r\n"
    )
    text = dissect.shown_head(head)
    assert "secret" not in text
    assert text.startswith("GET /streaming/lobby/ HTTP/1.1\r\nHost: a\r\nCookie: …\r\n")
    assert "realtime.v1" in text


# --- Framing ------------------------------------------------------------------------------------
@given(st.lists(st.binary(max_size=300), max_size=5), st.integers(1, 50))
def test_frames_and_chunks_are_split_from_any_pieces(payloads: list[bytes], step: int) -> None:
    frames = [frame(data, 2) for data in payloads]
    chunks = [chunk(data) for data in payloads if data]
    for head, carriers in ((SOCKET, frames), (NDJSON, chunks)):
        stream = head + b"".join(carriers)
        splitter = Splitter()
        carriers_found = [
            carrier
            for place in range(0, len(stream), step)
            for carrier in splitter.feed(stream[place : place + step])
        ]
        assert (splitter.head, carriers_found, splitter.lost) == (head, carriers, False)


@pytest.mark.parametrize(
    "stream",
    [
        NDJSON + b"zz\r\n",
        NDJSON + b"1" * 70,
        NDJSON + b"-9\r\n",
        NDJSON + b"fffffffff\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: many\r\n\r\nx",
        b"HTTP/1.0 200 OK\r\n\r\nuntil the end",
        b"x" * (capture.HEAD + 1),
    ],
)
def test_malformed_streams_are_not_recorded(stream: bytes) -> None:
    splitter = Splitter()
    assert list(splitter.feed(stream)) == []
    assert splitter.lost
    assert list(splitter.feed(chunk(b"later"))) == []


def test_incomplete_frames_have_no_end() -> None:
    assert frame_end(b"\x81") is None
    assert frame_end(b"\x81\x7e\x00") is None
    assert frame_at_start(b"\x81\x85\x00\x00\x00") is None
    assert chunk_end(b"1f") is None


@given(st.binary(max_size=64), st.binary(min_size=4, max_size=4))
def test_masking_is_its_own_inverse(data: bytes, key: bytes) -> None:
    assert unmask(unmask(data, key), key) == data


# --- The recorder -------------------------------------------------------------------------------
class FakeConnection:
    """A substitute for a connection of the tap, with the attributes that the recorder uses."""

    def __init__(self, address: str = "127.0.0.1") -> None:
        self.label, self.target, self.open = "", "", True
        self.counts = SimpleNamespace(requests=0)
        self.client = (address, 1)

    def ask(self, recorder: Recorder, label: str, response: bytes = b"") -> None:
        self.label, self.counts.requests = label, self.counts.requests + 1
        connection: Any = self
        recorder.observe(connection, "up", b"GET / HTTP/1.1\r\n\r\n")
        if response:
            recorder.observe(connection, "down", response)


NEEDLE = dissect.needle_of("k3f9-42")


def test_an_event_is_found_by_technique_and_client() -> None:
    recorder = Recorder()
    poll, stream, other = FakeConnection(), FakeConnection(), FakeConnection("192.0.2.7")
    body = BATCH % EVENT
    poll.ask(recorder, "polling", response(body))
    poll.ask(recorder, "other", response(body))  # another request of the same connection
    poll.ask(recorder, "longpoll", response(b"nothing"))
    stream.ask(recorder, "streaming", NDJSON + chunk(OTHER + b"\n") + chunk(EVENT + b"\n"))
    other.ask(recorder, "streaming", NDJSON + chunk(EVENT + b"\n"))
    match = recorder.find("polling", NEEDLE, "127.0.0.1")
    assert match is not None and match[1] == body
    assert recorder.find("longpoll", NEEDLE, "127.0.0.1") is None
    match = recorder.find("streaming", NEEDLE, "127.0.0.1")
    assert match is not None and match[1] == chunk(EVENT + b"\n")
    assert match[0].response.head == NDJSON
    assert recorder.find("polling", NEEDLE, "192.0.2.7") is None
    assert recorder.find("streaming", NEEDLE, "192.0.2.7") is not None


def test_the_last_mebibyte_of_a_connection_is_kept() -> None:
    recorder, connection = Recorder(), FakeConnection()
    filler = chunk(b"x" * 10_000)
    connection.ask(recorder, "streaming", NDJSON + chunk(EVENT + b"\n"))
    stream: Any = connection
    for _ in range(capture.MOST // len(filler) - 1):
        recorder.observe(stream, "down", filler)
    assert recorder.find("streaming", NEEDLE, "127.0.0.1") is not None
    for _ in range(3):
        recorder.observe(stream, "down", filler)
    assert recorder.find("streaming", NEEDLE, "127.0.0.1") is None
    (recording,) = recorder.recordings.values()
    assert recording.size <= capture.MOST + len(filler)
    assert recording.size == sum(size for _exchange, _carrier, size in recording.carriers)
    assert recording.carriers[0][0].response.head == NDJSON  # needed to parse the rest


def test_a_long_first_batch_is_kept_for_another_mebibyte() -> None:
    """The first batch of a client that resumes far behind may exceed a mebibyte."""
    recorder, connection = Recorder(), FakeConnection()
    socket: Any = connection
    long, filler = b" " * capture.MOST + BATCH % EVENT, b"\x81\x7e\xc3\x50" + b"x" * 50_000
    frame = b"\x81\x7f" + len(long).to_bytes(8, "big") + long
    connection.ask(recorder, "websocket", SOCKET + frame)
    for _ in range(capture.MOST // len(filler)):
        recorder.observe(socket, "down", filler)
        match = recorder.find("websocket", NEEDLE, "127.0.0.1")
        assert match is not None and match[1] == frame
    recorder.observe(socket, "down", filler)
    assert recorder.find("websocket", NEEDLE, "127.0.0.1") is None
    (recording,) = recorder.recordings.values()
    assert recording.size <= capture.MOST + len(filler)


def test_only_whole_polls_are_removed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(capture, "MOST", 10_000)
    monkeypatch.setattr(capture, "LEAST", 1_000)
    recorder, connection = Recorder(), FakeConnection()
    for _ in range(1000):
        connection.ask(recorder, "polling", response(b"empty"))
    (recording,) = recorder.recordings.values()
    assert 9_000 < recording.size < 10_100
    assert recording.size == sum(size for _exchange, _carrier, size in recording.carriers)


def test_recordings_of_closed_connections_are_removed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(capture, "CONNECTIONS", 10)
    recorder = Recorder()
    for _ in range(100):
        connection = FakeConnection()
        connection.ask(recorder, "polling", response(b"empty"))
        connection.open = False
    assert len(recorder.recordings) <= 10


# --- The buffering proxy ------------------------------------------------------------------------
def test_a_buffer_collects_an_endless_response() -> None:
    buffer, piece = Buffer(), chunk(b"x" * 40)
    assert buffer.add(NDJSON + piece, 500) == b""
    stream = NDJSON + piece
    while not (passed := buffer.add(piece, 500)):
        stream += piece
        assert len(stream) < 500
    assert passed == stream + piece
    assert len(passed) >= 500
    assert buffer.add(piece, 500) == b""
    assert buffer.add(piece, 0) == piece + piece  # buffering is off


def test_a_buffer_releases_a_complete_response() -> None:
    buffer = Buffer()
    assert buffer.add(NDJSON + chunk(b"x"), 1000) == b""
    assert buffer.add(b"0\r\n\r\n", 1000) == NDJSON + chunk(b"x") + b"0\r\n\r\n"
    half = response(b"body")[:-2]
    assert buffer.add(half, 1000) == half
    assert buffer.add(chunk(b"y"), 1000) == b""
    assert buffer.add(b"", 1000) == chunk(b"y")  # the connection's end
    assert not buffer.holds
