"""Generated input, valid and invalid, over HTTP and WebSocket.

`FUZZ_CASES` is the total number of cases; `make fuzz` has 12,000. Meanwhile a stream and a socket
are open in another room, and must receive an event at the end. `LiveServer` checks that the log of
the server has no traceback, as a 500 would leave.
"""

from __future__ import annotations

import json
import os
import socket
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

import httpx
import pytest
import requests
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from websockets.sync.client import ClientConnection, connect

from tests.contract.test_trusted_headers import CLAIMS
from tests.support.database import migrated
from tests.support.live import LiveServer
from tests.support.raw import HANDSHAKE
from transports.operations.openapi import DESCRIPTION

if TYPE_CHECKING:
    from schemathesis import Case

CASES = int(os.environ.get("FUZZ_CASES", 150))
ROOM = "neighbours"
TIMEOUT = 10.0  # seconds for a required response
SHORT_WAIT = 0.02  # seconds for a response that may not come: half a request has none
# Sockets that are rarely read must not time out or block.
QUIET: dict[str, Any] = {"ping_interval": None, "max_queue": None}
counted: Counter[str] = Counter()

pytestmark = [
    pytest.mark.own_server,
    pytest.mark.timeout(max(120, CASES // 10)),
    # The background clients' threads may use `random` while a case is drawn, which does not matter.
    pytest.mark.filterwarnings("ignore:Do not use the .random. module"),
]


def cases(share: float) -> settings:
    """Return Hypothesis' settings for a share of `CASES`."""
    return settings(
        max_examples=max(2, round(CASES * share)),
        deadline=None,
        suppress_health_check=list(HealthCheck),
        phases=[Phase.generate, Phase.shrink],
        database=None,
    )


@contextmanager
def background_clients(server: LiveServer, opened: ClientConnection) -> Iterator[None]:
    """Keep a stream and a socket open; both must receive an event at the end."""
    with socket.create_connection(("127.0.0.1", server.port), timeout=TIMEOUT) as stream:
        request = f"GET /streaming/{ROOM}/sse/ HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
        stream.sendall(request.encode())
        yield
        document = {"sender": "ada", "text": "still here"}
        response = httpx.post(f"{server.url}/publish/{ROOM}/", json=document)
        assert response.status_code == 201
        while "still here" not in str(opened.recv(TIMEOUT)):
            pass
        received = b""
        while b"still here" not in received:
            data = stream.recv(65_536)
            assert data, "the stream was closed"
            received = received[-100:] + data


@pytest.fixture(scope="module")
def server(
    tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest
) -> Iterator[LiveServer]:
    env = {
        "DATABASE_PATH": str(migrated(tmp_path_factory.mktemp("bad-input"))),
        "REDIS_URL": "",
        "DEBUG": "0",
        "DEMO": "1",  # anyone here may start tasks
    }
    with (
        LiveServer(env=env) as running,
        connect(f"{running.ws_url}/websocket/{ROOM}/", **QUIET) as opened,
        background_clients(running, opened),
    ):
        yield running
    kinds = ", ".join(f"{count:,} {kind}" for kind, count in sorted(counted.items()))
    capture = request.config.pluginmanager.getplugin("capturemanager")
    with capture.global_and_fixture_disabled():
        print(f"\n{counted.total():,} cases of input: {kinds}")


# --- HTTP, from the published description ---------------------------------------------------

ENDLESS = ("/streaming/{room}/", "/streaming/{room}/sse/")


def described(*, endless: bool) -> st.SearchStrategy[Case[Any]]:
    """Return a strategy of valid and invalid cases of every operation."""

    def strategy() -> st.SearchStrategy[Case[Any]]:
        # Imported by the test: it takes a second, and every worker collects this file.
        import schemathesis
        from schemathesis import GenerationMode

        document = json.loads(DESCRIPTION.read_text())
        schema = schemathesis.openapi.from_dict(document)
        return st.one_of(
            [
                schema[path][method.upper()].as_strategy(generation_mode=mode)
                for path, operations in document["paths"].items()
                for method in operations
                if (path in ENDLESS) == endless
                for mode in (GenerationMode.POSITIVE, GenerationMode.NEGATIVE)
            ]
        )

    return st.deferred(strategy)


def validate(case: Case[Any], response: Any) -> None:
    """Check the response by the description."""
    from schemathesis import checks
    from schemathesis.specs.openapi import checks as described_checks

    checks.load_all_checks()
    case.validate_response(
        response,
        checks=[
            checks.not_a_server_error,
            described_checks.status_code_conformance,
            described_checks.content_type_conformance,
            described_checks.response_headers_conformance,
            described_checks.response_schema_conformance,
        ],
    )


session = requests.Session()


@cases(0.4)
@given(case=described(endless=False))
def test_http_matches_its_description(server: LiveServer, case: Case[Any]) -> None:
    counted["described"] += 1
    if case.operation.path == "/longpoll/{room}/":
        with suppress(ValueError, TypeError):
            if not float(case.query.get("wait") or 25) <= 0.01:  # an empty one counts as omitted
                case.query["wait"] = "0.01"
    response = case.call(base_url=server.url, session=session, timeout=TIMEOUT)
    assert "Traceback" not in response.text
    if any("/" in str(value) for value in case.path_parameters.values()):
        assert response.status_code < 500  # another path, which the description lacks
        return
    validate(case, response)


@cases(0.05)
@given(case=described(endless=True))
def test_streams_match_their_description(server: LiveServer, case: Case[Any]) -> None:
    counted["streams"] += 1
    arguments = case.as_transport_kwargs(base_url=server.url)
    with session.request(**arguments, timeout=TIMEOUT, stream=True) as response:
        assert response.status_code < 500
        if response.status_code != 200:
            validate(case, response)


# --- HTTP, as bytes -------------------------------------------------------------------------

PATHS = [
    "/publish/fuzz/",
    "/polling/fuzz/",
    "/longpoll/fuzz/?wait=0",
    "/streaming/fuzz/",
    "/streaming/fuzz/sse/",
    "/websocket/fuzz/",
    "/rooms/",
    "/tasks/",
    "/mirror/",
    "/healthz",
    "/static/x.js",
    "/login/",
    "/",
]
token = st.text("!#$%&'*+-.^_`|~09azAZ", min_size=1, max_size=20).map(str.encode)
octets = st.binary(max_size=60)
value = st.one_of(octets.map(lambda data: data.replace(b"\r", b"").replace(b"\n", b"")), token)
field = st.one_of(
    st.sampled_from(
        [
            b"Content-Length: 3",
            b"Content-Length: -1",
            b"Content-Length: 99999999999999999999",
            b"Content-Length: 3\r\nContent-Length: 4",
            b"Transfer-Encoding: chunked",
            b"Transfer-Encoding: gzip, chunked",
            b"Content-Type: application/json",
            b"Content-Type: multipart/form-data; boundary=",
            b"Expect: 100-continue",
            b"Upgrade: websocket",
            b"Connection: Upgrade",
            b"Sec-WebSocket-Version: 13",
            b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==",
            b"Sec-WebSocket-Protocol: realtime.v1, token.\xff",
            b"Authorization: Bearer \xff\x00",
            b"Cookie: sessionid=\xff; csrftoken=\xfe",
            b"Host: \xff",
            b"Host: a\r\nHost: b",
            b"Range: bytes=0-",
            b" folded: line",
        ]
    ),
    st.builds(lambda name, content: name + b": " + content, token, value),
    st.builds(
        lambda claim, content: claim.encode() + b": " + content,
        st.sampled_from([*CLAIMS]),
        st.one_of(value, st.sampled_from([claim.encode() for claim in CLAIMS.values()])),
    ),
    st.builds(
        lambda name, content: name + b": " + content,
        st.sampled_from(
            [b"Origin", b"Last-Event-ID", b"Host", b"Cookie", b"Authorization", b"Idempotency-Key"]
        ),
        value,
    ),
    octets,
)
target = st.one_of(
    st.sampled_from(PATHS).map(str.encode),
    st.builds(
        lambda path, query: path.encode() + b"?" + query,
        st.sampled_from(PATHS),
        st.one_of(
            value.map(lambda data: data.replace(b" ", b"+")),
            st.sampled_from([b"since=%ff", b"since=a-1&since=b-2", b"wait=nan", b"wait=1e999"]),
        ),
    ),
    value,
)
body = st.one_of(
    st.just(b""),
    octets,
    st.sampled_from(
        [
            b'{"sender": "a", "text": "b"}',
            b'{"sender": "\\ud800", "text": "\\udfff"}',
            b"[" * 5_000,
            b'{"text": ' + b"9" * 5_000 + b"}",
            b'{"kind": "conversation", "arguments": {"lines": 1e999}}',
            b'{"kind": "conversation", "arguments": {"lines": NaN, "pause": Infinity}}',
            b"3\r\nabc\r\n0\r\n\r\n",
            b"ffffffffffffffff\r\n",
            b"-1\r\n\r\n",
        ]
    ),
)
request_bytes = st.one_of(
    octets,
    st.builds(
        lambda method, where, version, fields, content: b"\r\n".join(
            [method + b" " + where + b" " + version, *fields, b"", content]
        ),
        st.one_of(st.sampled_from([b"GET", b"POST", b"HEAD", b"OPTIONS", b"PUT"]), token),
        target,
        st.one_of(st.sampled_from([b"HTTP/1.1", b"HTTP/1.0", b"HTTP/2.0", b"HTTP/1.1 x"]), octets),
        st.lists(field, max_size=6),
        body,
    ),
)


@cases(0.25)
@given(data=request_bytes)
def test_http_survives_random_bytes(server: LiveServer, data: bytes) -> None:
    counted["bytes"] += 1
    with socket.create_connection(("127.0.0.1", server.port)) as connection:
        connection.settimeout(SHORT_WAIT)
        connection.sendall(data)
        response = b""
        with suppress(TimeoutError, ConnectionError):
            response = connection.recv(65_536)
    assert b"Traceback" not in response
    assert not response.startswith(b"HTTP/1.1 500"), response


# --- WebSocket, as messages -----------------------------------------------------------------

text = st.text(st.characters(codec=None), max_size=40)
scalar = st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), text)
anything = st.recursive(
    scalar, lambda inner: st.lists(inner) | st.dictionaries(text, inner), max_leaves=8
)
command = st.fixed_dictionaries(
    {},
    optional={
        "type": st.sampled_from(["publish", "edit", "delete", "join", "leave"]) | anything,
        "room": st.sampled_from(["fuzz", "other", "staff-x", "No Room"]) | anything,
        "since": st.sampled_from(["a-1", "", "a-0", "-1"]) | anything,
        "sender": text | anything,
        "text": text | st.just("x" * 3_000) | anything,
        "of": st.sampled_from(["a-1", "a-0"]) | anything,
    },
)
message = st.one_of(
    command.map(json.dumps),
    command.map(lambda document: json.dumps(document, ensure_ascii=False)),
    anything.map(json.dumps),
    text,
    st.sampled_from(
        ["{", "[" * 5_000, "9" * 5_000, '{"type":"join","type":"leave"}', "x" * 65_000]
    ),
    st.binary(max_size=100),
)


def errors_of(client: ClientConnection, message: str | bytes) -> list[dict[str, Any]]:
    """Send the message, then an invalid one; return all errors, up to that of the invalid one."""
    if isinstance(message, str):
        # UTF-8 cannot encode half a surrogate pair: only escaped JSON contains one.
        client.send(message.encode(errors="replace"), text=True)
    else:
        client.send(message)
    client.send('{"type":"leave","room":"the-end"}')
    errors: list[dict[str, Any]] = []
    while not errors or errors[-1]["detail"] != "The socket has not joined the room the-end.":
        document = json.loads(client.recv(TIMEOUT))
        if document.get("type") == "error":
            errors.append(document)
    return errors


@pytest.fixture(scope="module")
def client(server: LiveServer) -> Iterator[ClientConnection]:
    with connect(f"{server.ws_url}/websocket/talk/", **QUIET) as opened:
        yield opened


@cases(0.2)
@given(sent=message)
def test_websocket_errors_are_well_formed(client: ClientConnection, sent: str | bytes) -> None:
    counted["messages"] += 1
    for error in errors_of(client, sent):
        assert error.keys() == {"type", "code", "detail"}
        assert error["code"] != "internal"
        assert "Traceback" not in error["detail"]


# --- WebSocket, as bytes --------------------------------------------------------------------

OPENING = "\r\n".join(
    ["GET /websocket/frames/ HTTP/1.1", "Host: 127.0.0.1", *HANDSHAKE, "", ""]
).encode()


def frame(first: int, size: int, mask: bytes, payload: bytes) -> bytes:
    """Return a frame (RFC 6455 §5.2), whose length may be wrong."""
    masked = 0x80 if mask else 0
    if size < 126:
        length = bytes([masked | size])
    elif size < 65_536:
        length = bytes([masked | 126]) + size.to_bytes(2, "big")
    else:
        length = bytes([masked | 127]) + size.to_bytes(8, "big")
    return bytes([first]) + length + mask + payload


frames = st.lists(
    st.one_of(
        st.builds(
            frame,
            st.integers(0, 255),
            st.one_of(st.integers(0, 200), st.integers(0, 2**64 - 1)),
            st.sampled_from([b"", b"\0\0\0\0", b"\1\2\3\4"]),
            octets,
        ),
        st.builds(
            lambda opcode, payload: frame(0x80 | opcode, len(payload), b"\0\0\0\0", payload),
            st.sampled_from([0, 1, 2, 8, 9, 10]),
            octets,
        ),
        octets,
    ),
    min_size=1,
    max_size=4,
).map(b"".join)


@cases(0.1)
@given(data=frames)
def test_websocket_survives_random_bytes(server: LiveServer, data: bytes) -> None:
    counted["frames"] += 1
    with socket.create_connection(("127.0.0.1", server.port), timeout=TIMEOUT) as connection:
        connection.sendall(OPENING)
        assert connection.recv(65_536).startswith(b"HTTP/1.1 101 ")
        connection.settimeout(SHORT_WAIT)
        with suppress(ConnectionError, TimeoutError):
            connection.sendall(data)
            while response := connection.recv(65_536):
                assert b"Traceback" not in response


@pytest.mark.parametrize("path", ["/", "/login/", "/polling/", "/no/such/page/"])
def test_a_page_at_an_unknown_host_gets_400(server: LiveServer, path: str) -> None:
    response = httpx.get(server.url + path, headers={"Host": "x-forwarded-for"})
    assert response.status_code == 400
    assert "cannot be understood" in response.text
    assert "connect-src 'self';" in response.headers["content-security-policy"]
