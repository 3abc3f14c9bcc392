"""Ports that servers of others are told to listen on."""

from __future__ import annotations

import socket

import pytest

from faults.ports import free_ports


def test_a_free_port_stays_reserved() -> None:
    """Between finding it and listening there, others find and listen: the tests beside this one."""
    ports = free_ports(3)
    assert len(set(ports)) == 3
    for port in ports:
        with socket.socket() as other, pytest.raises(OSError, match="in use"):
            other.bind(("127.0.0.1", port))  # as the kernel would, for whoever asks for any port
        socket.create_server(("127.0.0.1", port)).close()  # with SO_REUSEADDR
