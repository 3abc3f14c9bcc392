"""A Redis Cluster on this machine, whose nodes can be killed, paused and promoted."""

# mypy: allow-untyped-calls
# (redis-py has few type hints for a cluster.)

from __future__ import annotations

import contextlib
import signal
from pathlib import Path
from typing import Any

import redis

from realtime_demo.ports import free_cluster_ports
from realtime_demo.production.cluster import form, identity

from .failover import Group, Node, until

NODE_TIMEOUT = 1_000  # milliseconds without an answer until a node is considered down


class Cluster(Group):
    """`masters` masters, each with `replicas` replicas, for the block."""

    def __init__(self, directory: Path, masters: int = 3, replicas: int = 1) -> None:
        self.masters = masters
        ports = free_cluster_ports(masters * (1 + replicas))
        self.nodes = [
            Node(directory / f"redis-{number}", port) for number, port in enumerate(ports)
        ]
        self.url = "redis+cluster://" + ",".join(f"127.0.0.1:{node.port}" for node in self.nodes)

    def start(self) -> None:
        for node in self.nodes:
            self.serve(node)
        form([("127.0.0.1", node.port) for node in self.nodes], self.masters)

    def serve(self, node: Node) -> None:
        """Start `node`, with the files that it has."""
        arguments = ["--port", str(node.port), "--bind", "127.0.0.1", "--save", ""]
        arguments += ["--appendonly", "yes", "--repl-diskless-sync-delay", "0"]
        arguments += ["--cluster-enabled", "yes", "--cluster-node-timeout", str(NODE_TIMEOUT)]
        arguments += ["--cluster-require-full-coverage", "no"]
        node.start(*arguments)

    def close(self) -> None:
        for node in self.nodes:
            node.close()

    def master_of(self, slot: int) -> Node:
        """Return the master of `slot`, according to the first node that answers."""
        for node in self.nodes:
            with contextlib.suppress(redis.RedisError, StopIteration):
                shards: Any = node.client.execute_command("CLUSTER", "SLOTS")
                return self._at(
                    next(
                        int(master[1])
                        for first, last, master, *_ in shards
                        if first <= slot <= last
                    )
                )
        raise TimeoutError(f"Slot {slot} has no master.")

    def replica_of(self, master: Node) -> Node:
        """Wait until a replica of `master` is in sync with it, and return that replica."""
        until(lambda: any(self.follows(node, master) for node in self.nodes))
        return next(node for node in self.nodes if self.follows(node, master))

    def follows(self, node: Node, master: Node) -> bool:
        of_node, of_master = node.replication(), master.replication()
        return (
            of_node.get("role") == "slave"
            and of_node["master_port"] == master.port
            and of_node["master_link_status"] == "up"
            and of_node["slave_repl_offset"] >= of_master.get("master_repl_offset", 0)
        )

    def _at(self, port: int) -> Node:
        return next(node for node in self.nodes if node.port == port)

    def cut_off(self, master: Node) -> Node:
        """Pause the replica of `master`, so that it misses all further commands; return it."""
        replica = self.replica_of(master)
        replica.signal(signal.SIGSTOP)
        master.client.client_kill_filter(_type="replica")
        return replica

    def promote(self, replica: Node) -> None:
        """Let `replica` take over its master's slots, in agreement with it; wait until it has."""
        until(lambda: self._fail_over(replica))

    def _fail_over(self, replica: Node) -> bool:
        if _ok(replica, "CLUSTER", "FAILOVER"):
            with contextlib.suppress(TimeoutError):  # the nodes give it up after 5 s
                until(lambda: self.is_master(replica), 6)
        return self.is_master(replica)

    def is_master(self, node: Node) -> bool:
        return node.replication().get("role") == "master"

    def other_master(self, master: Node) -> Node:
        return next(node for node in self.nodes if node is not master and self.is_master(node))

    def move(self, slot: int, source: Node, target: Node) -> int:
        """Migrate a slot with its keys, as `redis-cli --cluster reshard`; return their number."""
        names = {node: identity(node.client) for node in (source, target)}
        target.client.execute_command("CLUSTER", "SETSLOT", slot, "IMPORTING", names[source])
        source.client.execute_command("CLUSTER", "SETSLOT", slot, "MIGRATING", names[target])
        moved = 0
        while keys := source.client.execute_command("CLUSTER", "GETKEYSINSLOT", slot, 1):
            migrate = ["MIGRATE", "127.0.0.1", target.port, "", 0, 5_000, "KEYS", *keys]
            source.client.execute_command(*migrate)
            moved += len(keys)
        for node in (target, source):
            node.client.execute_command("CLUSTER", "SETSLOT", slot, "NODE", names[target])
        return moved


def _ok(node: Node, *command: str) -> bool:
    with contextlib.suppress(redis.RedisError):
        return bool(node.client.execute_command(*command))
    return False
