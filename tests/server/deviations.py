"""Deviations of each ASGI server, started with its public options, from the wire contract.

With `SERVER=<name>` each of these tests is a strict xfail, and `docs/servers.md` lists them.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

SECONDS = 20  # limit of a test that is expected to fail: some wait for a missing response


@dataclass(frozen=True)
class Deviation:
    """A set of tests that a server fails; `tests` is a regular expression for their node ids.

    Tests that depend on timing are not `strict`: they may pass.
    """

    server: str
    tests: str
    reason: str
    link: str
    strict: bool = True


DEVIATIONS = [
    Deviation(
        "daphne",
        r"test_a_rejected_handshake_closes_with_a_reason|test_python_clients_raise_the_servers_problem\[.*websocket",
        "A close frame has its code, but no reason.",
        "https://github.com/django/daphne/issues/374",
    ),
    Deviation(
        "daphne",
        r"test_protocol_violation_closes_the_socket",
        "The connection of a client that violates the protocol is reset without a close frame "
        "(Autobahn's `failByDrop`, for which Daphne has no option).",
        "https://autobahn.readthedocs.io/en/latest/reference/autobahn.websocket.html",
    ),
    Deviation(
        "daphne",
        r"test_message_over_the_limit_",
        "A frame over the limit drops the connection instead of closing it with 1009 "
        "(`failByDrop` again).",
        "https://autobahn.readthedocs.io/en/latest/reference/autobahn.websocket.html",
    ),
    Deviation(
        "daphne",
        r"test_large_announced_body_is_rejected|test_absurd_content_length_is_rejected"
        r"|test_chunked_body_is_rejected|test_client_sending_a_rejected_body",
        "A body is read whole, into memory or a file, before the application receives any of it: "
        "the application's limits apply too late.",
        "https://github.com/django/daphne/issues/483",
    ),
    Deviation(
        "daphne",
        r"test_other_content_types_are_rejected",
        "A multipart body that cannot be parsed is rejected by Twisted, with 400 and no body.",
        "https://github.com/django/daphne/issues/483",
    ),
    Deviation(
        "daphne",
        r"test_mount_point_is_fixed\[.*[Dd]aphne-[Rr]oot-[Pp]ath-\\xff",
        "`Daphne-Root-Path` is decoded as ASCII before the application is called: other bytes get "
        "500. (The mount point does not change, since the application sets it itself.)",
        "https://github.com/django/daphne#root-path-script_name",
    ),
    Deviation(
        "daphne",
        r"test_an_incomplete_handshake_.*(1[.]0--|Connection: |Version: )",
        "A handshake of another version, or without Connection, is rejected by Autobahn with 400 "
        "and no body (one of HTTP/1.0 with 500); the response names the versions 13 and 8.",
        "https://github.com/crossbario/autobahn-python",
    ),
    Deviation(
        "daphne",
        r"test_handshake_needs_exactly_one_valid_host|test_handshake_may_offer_other_protocols",
        "Autobahn accepts an empty Host in a handshake, and Daphne recognises a WebSocket's "
        "`Upgrade` only if it names no other protocol.",
        "https://github.com/django/daphne/blob/main/daphne/http_protocol.py",
    ),
    Deviation(
        "daphne",
        r"test_a_target_that_is_too_long",
        "A request line of more than 16 KiB closes the connection without a response (Twisted's "
        "`MAX_LENGTH`).",
        "https://docs.twistedmatrix.com/en/stable/api/twisted.protocols.basic.LineReceiver.html",
    ),
    Deviation(
        "daphne",
        r"test_half_closed_client_receives",
        "Twisted closes the connection when the client has closed its sending side (a short poll "
        "may be answered before).",
        "https://www.rfc-editor.org/rfc/rfc9112#section-9.6",
        strict=False,
    ),
    Deviation(
        "hypercorn",
        r"test_an_incomplete_handshake_.*(1[.]0--|h2c|Version: )",
        "A handshake of another version is rejected with 400, without the version that Hypercorn "
        "supports, although wsproto names it; `Upgrade: h2c` is taken for HTTP/2.",
        "https://github.com/python-hyper/wsproto/pull/96",
    ),
    Deviation(
        "hypercorn",
        r"test_handshake_may_offer_other_protocols",
        "A WebSocket's `Upgrade` is recognised only if it names no other protocol.",
        "https://www.rfc-editor.org/rfc/rfc9110#section-7.8",
    ),
    Deviation(
        "hypercorn",
        r"test_half_closed_client_receives",
        "A client that closes its sending side counts as disconnected: only what has been sent by "
        "then arrives.",
        "https://github.com/Kludex/uvicorn/issues/1264",
        strict=False,
    ),
    Deviation(
        "granian",
        r"test_an_incomplete_handshake_.*(1[.]0--|Version: )",
        "A handshake of another version is rejected with 400, without the version that Granian "
        "supports; one of HTTP/1.0 is accepted.",
        "https://www.rfc-editor.org/rfc/rfc6455#section-4.2.2",
    ),
    Deviation(
        "granian",
        r"test_half_closed_client_receives",
        "A client that closes its sending side receives nothing.",
        "https://www.rfc-editor.org/rfc/rfc9112#section-9.6",
        strict=False,
    ),
    Deviation(
        "granian",
        r"test_host_of_an_absolute_target_replaces|test_http_1_0_needs_no_host\[-200",
        "The host of an absolute target is discarded, and HTTP/1.0 is reported as 1.1: such a "
        "request without a Host is rejected.",
        "https://www.rfc-editor.org/rfc/rfc9112#section-3.2.2",
    ),
    Deviation(
        "daphne",
        r"test_a_stop_ends_all_connections",
        "Autobahn sends only the close codes 1000 and 3000 to 4999: a stop cuts sockets instead of "
        "closing them with 1012.",
        "https://autobahn.readthedocs.io/en/latest/reference/autobahn.websocket.html",
    ),
    Deviation(
        "daphne",
        r"test_memory_is_bounded_if_a_client_does_not_read\[(streaming|sse)",
        "`send` does not wait for the client: unread data stays in memory.",
        "https://github.com/django/daphne/issues/170",
    ),
    Deviation(
        "daphne",
        r"test_memory_is_bounded_if_a_client_does_not_read\[websocket|test_memory_is_bounded_if_pongs_are_not_read",
        "The same over WebSocket; the amount depends on how far the client is behind the feed.",
        "https://github.com/django/daphne/issues/170",
        strict=False,
    ),
    Deviation(
        "daphne",
        r"test_memory_is_bounded_if_a_client_sends_too_fast",
        "Messages that the application has not received yet stay in a queue without a limit.",
        "https://github.com/django/daphne/issues/170",
        strict=False,
    ),
    Deviation(
        "hypercorn",
        r"test_protocol_violation_closes_the_socket",
        "A client that violates the protocol is disconnected without a close frame: wsproto "
        "leaves it to the server to send one.",
        "https://github.com/python-hyper/wsproto/issues/178",
    ),
    Deviation(
        "granian",
        r"test_protocol_violation_closes_the_socket",
        "A client that violates the protocol receives a close frame without a code.",
        "https://www.rfc-editor.org/rfc/rfc6455#section-7.1.7",
    ),
    Deviation(
        "granian",
        r"test_client_sending_a_rejected_body|test_large_bodies_are_rejected",
        "If a body is rejected before it has been read, the connection may be reset before the "
        "client has read the problem.",
        "https://www.rfc-editor.org/rfc/rfc9112#section-9.6",
        strict=False,
    ),
    Deviation(
        "hypercorn",
        r"test_client_sending_a_rejected_body",
        "If a body is rejected before it has been read, the connection may be reset before the "
        "client has read the problem.",
        "https://www.rfc-editor.org/rfc/rfc9112#section-9.6",
        strict=False,
    ),
    Deviation(
        "hypercorn",
        r"test_other_content_types_are_rejected"
        r"|test_invalid_and_forbidden_rooms_are_rejected\[.*publish",
        "If a body is rejected before it has been read, the connection closes after a response "
        "without `Connection: close`: a client that reuses it may fail.",
        "https://www.rfc-editor.org/rfc/rfc9112#section-9.6",
        strict=False,
    ),
]


def deviation_of(server: str, node_id: str) -> Deviation | None:
    """Return the reason why `server` fails a test; None if it must pass."""
    if not node_id.startswith(("tests/contract/", "tests/server/")):
        return None
    for deviation in DEVIATIONS:
        if deviation.server == server and re.search(deviation.tests, node_id):
            return deviation
    return None
