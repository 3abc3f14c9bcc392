"""A master, a replica, and three Sentinels that watch them, on loopback."""

# mypy: allow-untyped-calls
# (redis-py says little of its Sentinels' types.)

from __future__ import annotations

import contextlib
import math
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import redis

from realtime_demo.production import programs

from .ports import free_ports

NAME = "mine"
DOWN_AFTER = 1_000  # milliseconds of silence after which a Sentinel holds the master for dead
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
        """`INFO replication`; empty where nobody answers."""
        with contextlib.suppress(redis.RedisError):
            return dict(self.client.info("replication"))
        return {}


class Failover:
    """Two servers, one of which is the master, and three Sentinels, while the block lasts."""

    def __init__(self, directory: Path) -> None:
        first, second, *others = free_ports(5)
        self.nodes = [
            Node(directory / f"redis-{n}", port) for n, port in enumerate((first, second))
        ]
        self.sentinels = [Node(directory / f"sentinel-{n}", p) for n, p in enumerate(others)]
        addresses = ",".join(f"127.0.0.1:{port}" for port in others)
        self.url = f"redis+sentinel://{addresses}/{NAME}/0"

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def start(self) -> None:
        """Return once the replica follows and every Sentinel knows all of the others."""
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
            with contextlib.suppress(redis.RedisError):  # before Redis 7 it is ten seconds
                sentinel.client.execute_command("SENTINEL", "DEBUG", "INFO-PERIOD", "200")

    def serve(self, node: Node, master: Node) -> None:
        """Start one of the servers, as the master or as a replica of it."""
        arguments = ["--port", str(node.port), "--bind", "127.0.0.1", "--save", ""]
        arguments += ["--appendonly", "yes", "--repl-diskless-sync-delay", "0"]
        if node is not master:
            arguments += ["--replicaof", "127.0.0.1", str(master.port)]
        node.start(*arguments)

    def close(self) -> None:
        for each in (*self.sentinels, *self.nodes):
            each.close()

    @property
    def master(self) -> Node:
        """Whom the Sentinels name."""
        for sentinel in self.sentinels:
            with contextlib.suppress(redis.RedisError):
                port = _master_of(sentinel)
                return next(node for node in self.nodes if node.port == port)
        raise TimeoutError("No Sentinel answers.")

    @property
    def replica(self) -> Node:
        return next(node for node in self.nodes if node is not self.master)

    def follows(self, node: Node) -> bool:
        """Whether it is a replica that has all its master has.

        By the offsets: after a full synchronisation its link is up for up to a second before
        anything more comes by it.
        """
        (master,) = (each for each in self.nodes if each is not node)
        given = master.replication().get("master_repl_offset", math.inf)
        said = node.replication()
        return (
            said.get("role") == "slave"
            and said.get("master_link_status") == "up"
            and said["slave_repl_offset"] >= given
        )

    def cut_off(self) -> None:
        """From now on the replica gets nothing: it stands still, and what is under way is lost."""
        replica = self.replica
        for node in self.nodes:
            node.client.config_set("min-replicas-to-write", 0)
        until(lambda: self.follows(replica))  # what there is so far, it has
        replica.signal(signal.SIGSTOP)
        self.master.client.client_kill_filter(_type="replica")

    def lose_the_master(self) -> Node:
        """Kill it, and let the replica go on; who that is."""
        master, replica = self.master, self.replica
        master.end(signal.SIGKILL)
        replica.signal(signal.SIGCONT)
        return replica

    def plan(self) -> Node:
        """Let the Sentinels promote the replica, with the master alive; who that is.

        A master without a replica takes nothing then: whoever still speaks to the former one,
        which is told after some seconds, is refused. (The new one has none either, so far.)
        """
        self.master.client.config_set("min-replicas-to-write", 1)
        replica = self.replica
        replica.client.config_set("min-replicas-to-write", 0)
        until(lambda: self.follows(replica))
        until(self._begin_failover)
        return replica

    def demote(self, former: Node) -> None:
        """As the Sentinels do with a former master, but at once."""
        former.client.replicaof("127.0.0.1", str(self.master.port))
        former.client.client_kill_filter(_type="normal", skipme=True)
        until(lambda: self.follows(former))

    def _begin_failover(self) -> bool:
        with contextlib.suppress(redis.RedisError):  # it may not know of the replica yet
            self.sentinels[0].client.execute_command("SENTINEL", "FAILOVER", NAME)
            return True
        return False

    def promoted(self, node: Node) -> bool:
        """Whether `node` is a master, and every Sentinel says so."""
        return node.replication().get("role") == "master" and all(
            _master_of(sentinel) == node.port for sentinel in self.sentinels
        )


def _master_of(sentinel: Node) -> int:
    """The port of whom it names. Raises `redis.RedisError`."""
    address: Any = sentinel.client.sentinel_get_master_addr_by_name(NAME)
    return int(address[1])


def _knows_the_others(sentinel: Node) -> bool:
    with contextlib.suppress(redis.RedisError):
        state: Any = sentinel.client.sentinel_master(NAME)
        return bool(state["num-other-sentinels"] == 2 and state["num-slaves"] == 1)
    return False


def until(condition: Callable[[], object], seconds: float = PATIENCE) -> None:
    """Return as soon as `condition()` holds; raises `TimeoutError` after `seconds`."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError
        time.sleep(0.02)
