"""Free ports, reserved until a server listens on them."""

from __future__ import annotations

import socket


def free_ports(count: int) -> list[int]:
    """Return `count` ports, each reserved for a minute.

    A closed connection leaves each port in TIME-WAIT (RFC 9293 §3.6.1). The kernel does not
    choose such a port by itself, but servers can bind it: they set SO_REUSEADDR.
    """
    return [_free_port() for _ in range(count)]


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        address = listener.getsockname()
        with socket.create_connection(address) as client:
            accepted, _ = listener.accept()
            accepted.close()  # TIME-WAIT is at the end that closes first
            client.recv(1)
        return int(address[1])
