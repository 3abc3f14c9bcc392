"""Free ports for servers in other processes."""

from __future__ import annotations

import socket

import pytest

from realtime_demo.ports import CLUSTER_BUS, free_cluster_ports, free_port


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_a_free_port_stays_reserved(host: str) -> None:
    """Concurrent tests must not bind the port before its server does."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    ports = [free_port(host) for _ in range(3)]
    assert len(set(ports)) == 3
    for port in ports:
        with socket.socket(family) as other, pytest.raises(OSError, match="in use"):
            other.bind((host, port))  # the kernel assigns no such port to port 0 either
        socket.create_server((host, port), family=family).close()  # with SO_REUSEADDR


def test_a_clusters_ports_are_in_a_row_and_reserved() -> None:
    ports = free_cluster_ports(3)
    assert list(ports) == [ports[0], ports[0] + 1, ports[0] + 2]
    for port in [*ports, *(port + CLUSTER_BUS for port in ports)]:
        with socket.socket() as other, pytest.raises(OSError, match="in use"):
            other.bind(("127.0.0.1", port))
        socket.create_server(("127.0.0.1", port)).close()


def test_a_clusters_ports_take_no_reserved_port(monkeypatch: pytest.MonkeyPatch) -> None:
    reserved = free_port()
    firsts = [reserved - 1, free_port()]
    monkeypatch.setattr("realtime_demo.ports.free_port", lambda: (firsts or [free_port()]).pop(0))
    assert reserved not in free_cluster_ports(2)
