"""A Redis master, a replica, and three Sentinels that monitor them, on loopback."""

# mypy: allow-untyped-calls
# (redis-py has few type hints for Sentinel.)

from __future__ import annotations

import contextlib
import math
import signal
import subprocess
import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from pathlib import Path
from typing import Any, Self

import redis

from realtime_demo.ports import free_port
from realtime_demo.production import programs

NAME = "mine"
DOWN_AFTER = 1_000  # milliseconds without an answer until a Sentinel considers the master down
PATIENCE = 60.0  # seconds


class Node:
    """One redis-server, or one Sentinel, on 127.0.0.1."""

    def __init__(self, directory: Path, port: int) -> None:
        self.directory = directory
        self.port = port
        self.client = redis.Redis(port=port, socket_timeout=5)
        self.process: subprocess.Popen[bytes] | None = None

    def start(self, *arguments: str) -> None:
        self.directory.mkdir(parents=True, exist_ok=True)
        self.process = subprocess.Popen(
            [programs.redis_server(), *arguments],
            cwd=self.directory,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )

    def signal(self, number: int) -> None:
        assert self.process is not None
        self.process.send_signal(number)

    def end(self, number: int) -> None:
        self.signal(number)
        assert self.process is not None
        self.process.wait(PATIENCE)

    def close(self) -> None:
        self.client.close()
        if self.process is not None and self.process.poll() is None:
            self.signal(signal.SIGCONT)
            self.end(signal.SIGKILL)

    def replication(self) -> dict[str, Any]:
        """Return `INFO replication`; empty if the server does not answer."""
        with contextlib.suppress(redis.RedisError):
            return dict(self.client.info("replication"))
        return {}


class Group(ABC):
    """Redis servers that are started together, for the block."""

    @abstractmethod
    def start(self) -> None: ...

    @abstractmethod
    def close(self) -> None: ...

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class Failover(Group):
    """A master, a replica and three Sentinels, for the block."""

    def __init__(self, directory: Path) -> None:
        first, second, *others = (free_port() for _ in range(5))
        self.nodes = [
            Node(directory / f"redis-{n}", port) for n, port in enumerate((first, second))
        ]
        self.sentinels = [Node(directory / f"sentinel-{n}", p) for n, p in enumerate(others)]
        addresses = ",".join(f"127.0.0.1:{port}" for port in others)
        self.url = f"redis+sentinel://{addresses}/{NAME}/0"

    def start(self) -> None:
        """Start all; return once the replica is in sync and each Sentinel has found the others."""
        master = self.nodes[0]
        for node in self.nodes:
            self.serve(node, master)
        until(lambda: self.follows(self.nodes[1]))
        for sentinel in self.sentinels:
            sentinel.directory.mkdir(parents=True, exist_ok=True)
            file = sentinel.directory / "sentinel.conf"
            file.write_text(
                f"port {sentinel.port}\nbind 127.0.0.1\n"
                f"sentinel monitor {NAME} 127.0.0.1 {master.port} 2\n"
                f"sentinel down-after-milliseconds {NAME} {DOWN_AFTER}\n"
                f"sentinel failover-timeout {NAME} 2000\n"
            )
            sentinel.start(str(file), "--sentinel")
        until(lambda: all(map(_knows_the_others, self.sentinels)))
        for sentinel in self.sentinels:
            with contextlib.suppress(redis.RedisError):  # not before Redis 7: ten seconds there
                sentinel.client.execute_command("SENTINEL", "DEBUG", "INFO-PERIOD", "200")

    def serve(self, node: Node, master: Node) -> None:
        """Start `node`, as the master or as a replica of `master`."""
        arguments = ["--port", str(node.port), "--bind", "127.0.0.1", "--save", ""]
        arguments += ["--appendonly", "yes", "--repl-diskless-sync-delay", "0"]
        if node is not master:
            arguments += ["--replicaof", "127.0.0.1", str(master.port)]
        node.start(*arguments)

    def close(self) -> None:
        for node in (*self.sentinels, *self.nodes):
            node.close()

    @property
    def master(self) -> Node:
        """The node that the Sentinels name as the master."""
        for sentinel in self.sentinels:
            with contextlib.suppress(redis.RedisError):
                port = _master_of(sentinel)
                return next(node for node in self.nodes if node.port == port)
        raise TimeoutError("No Sentinel answers.")

    @property
    def replica(self) -> Node:
        return next(node for node in self.nodes if node is not self.master)

    def follows(self, node: Node) -> bool:
        """Return whether `node` is a replica in sync with its master.

        Compare the offsets: after a full synchronisation, the link is up for up to a second
        before it carries further commands.
        """
        (master,) = (other for other in self.nodes if other is not node)
        master_offset = master.replication().get("master_repl_offset", math.inf)
        replication = node.replication()
        return (
            replication.get("role") == "slave"
            and replication.get("master_link_status") == "up"
            and replication["slave_repl_offset"] >= master_offset
        )

    def cut_off(self) -> None:
        """Stop the replica and close its link, so that it misses all further commands."""
        replica = self.replica
        for node in self.nodes:
            node.client.config_set("min-replicas-to-write", 0)
        until(lambda: self.follows(replica))
        replica.signal(signal.SIGSTOP)
        self.master.client.client_kill_filter(_type="replica")

    def kill_master(self) -> Node:
        """Kill the master and let the replica continue; return the replica."""
        master, replica = self.master, self.replica
        master.end(signal.SIGKILL)
        replica.signal(signal.SIGCONT)
        return replica

    def promote_replica(self) -> Node:
        """Let the Sentinels promote the replica while the master runs; return the new master.

        The Sentinels demote the former master some seconds later. Until then it rejects writes,
        since it has no replica any more. The new master accepts writes without one.
        """
        self.master.client.config_set("min-replicas-to-write", 1)
        replica = self.replica
        replica.client.config_set("min-replicas-to-write", 0)
        until(lambda: self.follows(replica))
        until(self._begin_failover)
        return replica

    def demote(self, former: Node) -> None:
        """Demote `former` to a replica, as the Sentinels do later."""
        former.client.replicaof("127.0.0.1", str(self.master.port))
        former.client.client_kill_filter(_type="normal", skipme=True)
        until(lambda: self.follows(former))

    def _begin_failover(self) -> bool:
        with contextlib.suppress(redis.RedisError):  # the Sentinel may not know the replica yet
            self.sentinels[0].client.execute_command("SENTINEL", "FAILOVER", NAME)
            return True
        return False

    def promoted(self, node: Node) -> bool:
        """Return whether `node` is the master, according to itself and to every Sentinel."""
        return node.replication().get("role") == "master" and all(
            _master_of(sentinel) == node.port for sentinel in self.sentinels
        )


def _master_of(sentinel: Node) -> int:
    """Return the port of the master that `sentinel` names. Raises `redis.RedisError`."""
    address: Any = sentinel.client.sentinel_get_master_addr_by_name(NAME)
    return int(address[1])


def _knows_the_others(sentinel: Node) -> bool:
    with contextlib.suppress(redis.RedisError):
        state: Any = sentinel.client.sentinel_master(NAME)
        return bool(state["num-other-sentinels"] == 2 and state["num-slaves"] == 1)
    return False


def until(condition: Callable[[], object], seconds: float = PATIENCE) -> None:
    """Wait until `condition()` holds. Raise `TimeoutError` after `seconds`."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError
        time.sleep(0.02)
