"""Ports nobody listens on."""

from __future__ import annotations

import socket


def free_ports(count: int) -> list[int]:
    """So many, which are given to nobody else for a minute, until a server listens there.

    Each has had a connection that ended, and so is in TIME-WAIT (RFC 9293 §3.6.1): the kernel
    chooses it for nobody, and whoever asks for it by number with SO_REUSEADDR, as servers do, has
    it.
    """
    return [_free_port() for _ in range(count)]


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        address = listener.getsockname()
        with socket.create_connection(address) as client:
            accepted, _ = listener.accept()
            accepted.close()  # the first to close is the one in TIME-WAIT
            client.recv(1)
        return int(address[1])
