"""A Redis Cluster of given nodes: its masters, their slots and replicas.

The commands are those of `redis-cli --cluster create`, which a wheel of redis-server lacks.
"""

# mypy: allow-untyped-calls
# (redis-py does not type `execute_command`.)

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Sequence
from functools import partial
from gettext import gettext as _

import redis

SLOTS = 16_384
MASTERS = 3
PATIENCE = 60.0  # seconds

Address = tuple[str, int]


class NotFormed(Exception):
    """The nodes did not become a cluster."""


def form(addresses: Sequence[Address], masters: int = MASTERS) -> None:
    """Form a cluster: `masters` masters, and the other nodes as their replicas in turn.

    Return once every node answers that the cluster is complete. Nodes that have been one before,
    and have their files, are left as they are. Raises `NotFormed`.
    """
    clients = [redis.Redis(host, port, socket_timeout=5) for host, port in addresses]
    try:
        _wait(lambda: all(map(_answers, clients)), _("a node does not answer"))
        if any(_known(client) > 1 for client in clients):
            _wait(lambda: all(map(_is_complete, clients)), _("the cluster is not complete"))
            return
        for number, client in enumerate(clients[:masters]):
            slots = range(SLOTS * number // masters, SLOTS * (number + 1) // masters)
            client.execute_command("CLUSTER", "ADDSLOTS", *slots)
            client.execute_command("CLUSTER", "SET-CONFIG-EPOCH", number + 1)
        for host, port in addresses[1:]:
            clients[0].execute_command("CLUSTER", "MEET", host, port)
        _wait(
            lambda: all(_known(client) == len(clients) for client in clients),
            _("the nodes do not know each other"),
        )
        for number, client in enumerate(clients[masters:]):
            master = identity(clients[number % masters])
            _wait(partial(_follows, client, master), _("a node did not become a replica"))
        _wait(lambda: all(map(_is_complete, clients)), _("the cluster is not complete"))
    except redis.RedisError as error:
        raise NotFormed(str(error)) from error
    finally:
        for client in clients:
            client.close()


def _answers(client: redis.Redis) -> bool:
    with contextlib.suppress(redis.RedisError):
        return bool(client.ping())
    return False


def _info(client: redis.Redis) -> dict[str, str]:
    return dict(client.execute_command("CLUSTER INFO"))


def _known(client: redis.Redis) -> int:
    return int(_info(client)["cluster_known_nodes"])


def identity(client: redis.Redis) -> str:
    """Return the node's ID in the cluster. Raises `redis.RedisError`."""
    node_id = client.execute_command("CLUSTER", "MYID")
    return node_id.decode() if isinstance(node_id, bytes) else str(node_id)


def _follows(client: redis.Redis, master: str) -> bool:
    with contextlib.suppress(redis.ResponseError):  # the master may still be unknown to the node
        client.execute_command("CLUSTER", "REPLICATE", master)
        return True
    return False


def _is_complete(client: redis.Redis) -> bool:
    with contextlib.suppress(redis.RedisError):
        info, replication = _info(client), client.info("replication")
        return (
            info["cluster_state"] == "ok"
            and int(info["cluster_slots_ok"]) == SLOTS
            and (
                replication["role"] == "master"
                or (
                    replication["master_link_status"] == "up"
                    and not replication["master_sync_in_progress"]
                )
            )
        )
    return False


def _wait(condition: Callable[[], bool], otherwise: str) -> None:
    deadline = time.monotonic() + PATIENCE
    while not condition():
        if time.monotonic() > deadline:
            text = _("After {seconds} s: {problem}.")
            raise NotFormed(text.format(seconds=f"{PATIENCE:g}", problem=otherwise))
        time.sleep(0.05)
