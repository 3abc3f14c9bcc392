"""Free ports for servers in other processes."""

from __future__ import annotations

import socket

import pytest

from faults.ports import free_ports


def test_a_free_port_stays_reserved() -> None:
    """Concurrent tests must not bind the port before its server does."""
    ports = free_ports(3)
    assert len(set(ports)) == 3
    for port in ports:
        with socket.socket() as other, pytest.raises(OSError, match="in use"):
            other.bind(("127.0.0.1", port))  # the kernel assigns no such port to port 0 either
        socket.create_server(("127.0.0.1", port)).close()  # with SO_REUSEADDR
