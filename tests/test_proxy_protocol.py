"""The PROXY protocol: what a relay says of whose connection it brings."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from realtime_demo.proxy_protocol import LONGEST, Address, InvalidHeader, header, source_of

PORTS = st.integers(0, 65_535)


def test_what_the_specification_shows() -> None:
    line = b"PROXY TCP4 192.0.2.7 192.0.2.1 51422 8000\r\n"
    assert header(("192.0.2.7", 51422), ("192.0.2.1", 8000)) == line
    assert source_of(line.removesuffix(b"\r\n")) == Address("192.0.2.7", 51422)


IPV4, IPV6 = st.ip_addresses(v=4).map(str), st.ip_addresses(v=6).map(str)


@given(st.one_of(st.tuples(IPV4, IPV4), st.tuples(IPV6, IPV6)), PORTS, PORTS)
def test_the_address_that_was_given_comes_back(
    hosts: tuple[str, str], port: int, other_port: int
) -> None:
    # What a socket says of an address of IPv6 has two members more, and perhaps a zone.
    line = header((f"{hosts[0].partition('%')[0]}%eth0", port, 0, 2), (hosts[1], other_port))
    assert len(line) <= LONGEST
    assert source_of(line.removesuffix(b"\r\n")) == (hosts[0].partition("%")[0], port)


@pytest.mark.parametrize(
    ("source", "destination"),
    [
        ("", ""),
        (None, None),
        (("127.0.0.1", 1), ("::1", 1)),
        (("localhost", 1), ("127.0.0.1", 1)),
        (("127.0.0.1",), ("127.0.0.1", 1)),
        (("127.0.0.1", "1"), ("127.0.0.1", 1)),
    ],
)
def test_who_is_not_known_is_nobody(source: object, destination: object) -> None:
    assert header(source, destination) == b"PROXY UNKNOWN\r\n"
    assert source_of(b"PROXY UNKNOWN") is None


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"PROXY",
        b"PROXY TCP4",
        b"GET / HTTP/1.1",
        b"proxy TCP4 192.0.2.7 192.0.2.1 1 2",
        b"PROXY TCP5 192.0.2.7 192.0.2.1 1 2",
        b"PROXY TCP4 ::1 ::1 1 2",
        b"PROXY TCP6 192.0.2.7 192.0.2.1 1 2",
        b"PROXY TCP4 192.0.2.7 nowhere 1 2",
        b"PROXY TCP4 192.0.2.7 192.0.2.1 1",
        b"PROXY TCP4 192.0.2.7 192.0.2.1 1 65536",
        b"PROXY TCP4 192.0.2.7 192.0.2.1 -1 2",
        b"PROXY TCP4 192.0.2.7 192.0.2.1 1 2 3",
        b"PROXY TCP4  192.0.2.7 192.0.2.1 1 2",
        b"PROXY TCP4 \xff 192.0.2.1 1 2",
        b"\r\n\r\n\x00\r\nQUIT\n",  # version 2
    ],
)
def test_what_is_no_header(line: bytes) -> None:
    with pytest.raises(InvalidHeader):
        source_of(line)
