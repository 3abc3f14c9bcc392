"""Free ports, reserved until a server listens on them."""

from __future__ import annotations

import socket
from contextlib import suppress

CLUSTER_BUS = 10_000  # added to a Redis Cluster node's port: its connections to the other nodes


def free_port(host: str = "127.0.0.1") -> int:
    """Return a port of `host` that nothing listens on, reserved for a minute."""
    return _reserve(host, 0)


def free_cluster_ports(nodes: int) -> range:
    """Return `nodes` free ports in a row, with free bus ports, each reserved for a minute."""
    while True:
        first = free_port()
        with suppress(OSError, OverflowError):
            for port in range(first, first + nodes):
                if port != first:
                    _reserve("127.0.0.1", port)
                _reserve("127.0.0.1", port + CLUSTER_BUS)
            return range(first, first + nodes)


def _reserve(host: str, port: int) -> int:
    """Return `port`, or one that the kernel chooses for 0. Raises `OSError` for one in use.

    A closed connection leaves the port in TIME-WAIT (RFC 9293 §3.6.1). The kernel does not
    choose such a port by itself, but servers can bind it: they set SO_REUSEADDR.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as listener:
        listener.bind((host, port))  # before SO_REUSEADDR: a reserved port is in use
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.listen()
        address = listener.getsockname()
        with socket.create_connection(address[:2]) as client:
            accepted, _ = listener.accept()
            accepted.close()  # TIME-WAIT is at the end that closes first
            client.recv(1)
        return int(address[1])
