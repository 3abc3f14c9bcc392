"""The PROXY protocol, version 1 (haproxy's proxy-protocol.txt, §2.1).

A relay says first, in one line, whose connection it relays; then come the client's own bytes:

    PROXY TCP4 192.0.2.7 192.0.2.1 51422 8000\r\n
"""

from __future__ import annotations

import ipaddress
from typing import NamedTuple

LONGEST = 107  # bytes, CRLF included
_FAMILIES = {b"TCP4": ipaddress.IPv4Address, b"TCP6": ipaddress.IPv6Address}


class InvalidHeader(ValueError):
    """The bytes are not a header of version 1."""


class Address(NamedTuple):
    """An end of a TCP connection."""

    host: str
    port: int


def header(source: object, destination: object) -> bytes:
    """The header for a connection from `source` to `destination`.

    Each is what a socket calls an address: (host, port, …). Where that is no pair of IP addresses
    of one family, the header says UNKNOWN.
    """
    try:
        (host, port), (other_host, other_port) = _address(source), _address(destination)
    except (TypeError, ValueError, IndexError):
        return b"PROXY UNKNOWN\r\n"
    if host.version != other_host.version:
        return b"PROXY UNKNOWN\r\n"
    return f"PROXY TCP{host.version} {host} {other_host} {port} {other_port}\r\n".encode()


def _address(address: object) -> tuple[ipaddress.IPv4Address | ipaddress.IPv6Address, int]:
    host, port = tuple(address)[:2]  # type: ignore[arg-type, var-annotated]
    if not (isinstance(host, str) and isinstance(port, int)):
        raise TypeError
    return ipaddress.ip_address(host.partition("%")[0]), port


def source_of(line: bytes) -> Address | None:
    """The client that a header (without its CRLF) names; None where it says UNKNOWN.

    Raises `InvalidHeader`.
    """
    match line.split(b" "):
        case [b"PROXY", b"UNKNOWN", *_]:
            return None
        case [b"PROXY", b"TCP4" | b"TCP6" as family, host, other_host, port, other_port]:
            try:
                source = _FAMILIES[family](host.decode("ascii"))
                _FAMILIES[family](other_host.decode("ascii"))
            except ValueError as error:
                raise InvalidHeader(f"Not addresses of {family.decode()}: {line!r}") from error
            if not all(p.isdigit() and int(p) < 1 << 16 for p in (port, other_port)):
                raise InvalidHeader(f"Not ports: {line!r}")
            return Address(str(source), int(port))
    raise InvalidHeader(f"Not a PROXY header: {line!r}")
