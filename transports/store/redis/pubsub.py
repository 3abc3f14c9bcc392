"""Channel layer on the pub/sub of Redis: of one server, a master behind Sentinels, or a cluster.

In a cluster with sharded pub/sub (Redis 7), a message reaches the masters and replicas of one
shard; before, all nodes (redis.io/docs/latest/develop/pubsub, "Sharded Pub/Sub"). The layer follows
Channels' specification (channels.readthedocs.io/en/stable/channel_layer_spec.html). Like
channels-redis' pub/sub layer, it delivers only to channels that are in use: an outage loses
messages, whose events the hub reads from the history.
"""

# mypy: allow-untyped-calls
# (redis-py does not type its cluster client fully.)

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import logging
import uuid
from collections import defaultdict
from collections.abc import Iterable
from typing import Any
from weakref import WeakKeyDictionary

from channels.layers import BaseChannelLayer
from channels_redis.serializers import registry
from redis.asyncio import Redis
from redis.asyncio.client import PubSub
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import MovedError, RedisClusterException, RedisError

from transports.store.redis.cluster_client import TIMEOUT, ClusterClient, bucket_of
from transports.store.redis.connection import client
from transports.store.redis.url import cluster_nodes, is_cluster, layer_host

logger = logging.getLogger(__name__)

CONNECTIONS = 8  # commands to a cluster at a time
CONNECTIONS_TO_ONE = 2  # connections to one server: to receive, and for commands
SHARDED = 7  # the major version of Redis since which pub/sub is sharded
PAUSE = 0.2  # seconds between attempts to subscribe again
OPTIONS: dict[str, Any] = {
    "socket_timeout": TIMEOUT,
    "socket_connect_timeout": TIMEOUT,
    "retry": Retry(NoBackoff(), 0),
}

Message = dict[str, Any]


class PubSubChannelLayer(BaseChannelLayer):  # type: ignore[misc]
    """A channel layer in the Redis that `url` names; a loop has its own connections.

    A channel keeps the last `capacity` messages.
    """

    extensions = ["groups", "flush"]

    def __init__(
        self,
        url: str,
        prefix: str = "asgi",
        expiry: int = 60,
        capacity: int = 100,
        channel_capacity: dict[Any, int] | None = None,
    ) -> None:
        super().__init__(expiry=expiry, capacity=capacity)
        (cluster_nodes if is_cluster(url) else layer_host)(url)  # raises InvalidRedisURL
        self.url = url
        self.prefix = prefix
        self.channel_capacity = self.compile_capacities(channel_capacity or {})
        self._serializer = registry.get_serializer("msgpack")
        self._loops: WeakKeyDictionary[asyncio.AbstractEventLoop, Subscriptions]
        self._loops = WeakKeyDictionary()

    @property
    def _current(self) -> Subscriptions:
        loop = asyncio.get_running_loop()
        if loop not in self._loops:
            nodes = (Cluster if is_cluster(self.url) else OneServer)(self.url)
            self._loops[loop] = Subscriptions(nodes)
        return self._loops[loop]

    @property
    def losses(self) -> int:
        """How often the running loop has subscribed again after it may have lost messages."""
        return self._current.losses

    def channel_of(self, group: str) -> str:
        """Return the pub/sub channel of a group, with the hash tag of its room's keys."""
        return f"{self.prefix}:group:{{{bucket_of(group)}}}:{group}"

    def _channel_of_one(self, channel: str) -> str:
        return f"{self.prefix}:channel:{channel}"

    async def send(self, channel: str, message: Message) -> None:
        assert isinstance(message, dict), "message is not a dict"
        self.require_valid_channel_name(channel)
        data = self._serializer.serialize(message)
        await self._current.publish(self._channel_of_one(channel), data)

    async def receive(self, channel: str) -> Message:
        self.require_valid_channel_name(channel)
        queue = await self._open(channel)
        try:
            data = await queue.get()
        except asyncio.CancelledError:
            await self._close(channel)
            raise
        return dict(self._serializer.deserialize(data))

    async def new_channel(self, prefix: str = "specific") -> str:
        channel = f"{prefix}.{uuid.uuid4().hex}!{uuid.uuid4().hex}"
        await self._open(channel)
        return channel

    async def group_add(self, group: str, channel: str) -> None:
        self.require_valid_group_name(group)
        self.require_valid_channel_name(channel)
        queue = await self._open(channel)
        # Again, even if it is subscribed: the connection may have been lost without an error.
        await self._current.subscribe(self.channel_of(group), queue)

    async def group_discard(self, group: str, channel: str) -> None:
        self.require_valid_group_name(group)
        self.require_valid_channel_name(channel)
        queue = self._current.queues.get(channel)
        if queue is not None:
            await self._current.unsubscribe(self.channel_of(group), queue)

    async def group_send(self, group: str, message: Message) -> None:
        assert isinstance(message, dict), "message is not a dict"
        self.require_valid_group_name(group)
        data = self._serializer.serialize(message)
        await self._current.publish(self.channel_of(group), data)

    async def flush(self) -> None:
        """Forget the channels, groups and messages of the running loop; close its connections."""
        current = self._loops.pop(asyncio.get_running_loop(), None)
        if current is not None:
            await current.aclose()

    async def _open(self, channel: str) -> asyncio.Queue[bytes]:
        queues = self._current.queues
        queue = queues.get(channel)
        if queue is None:
            queue = queues[channel] = asyncio.Queue(self.get_capacity(channel))
            try:
                await self._current.subscribe(self._channel_of_one(channel), queue)
            except BaseException:
                queues.pop(channel, None)
                raise
        return queue

    async def _close(self, channel: str) -> None:
        current = self._current
        queue = current.queues.pop(channel, None)
        if queue is not None:
            for topic in [topic for topic, queues in current.topics.items() if queue in queues]:
                await current.unsubscribe(topic, queue)


class OneServer:
    """One server, or the master that Sentinels name."""

    def __init__(self, url: str) -> None:
        self.client = client(url, max_connections=CONNECTIONS_TO_ONE, **OPTIONS)

    async def is_sharded(self) -> bool:
        return False

    def name_of(self, topic: str, in_use: Iterable[str], sharded: bool) -> str:
        return "Redis"

    def connect(self, name: str) -> Redis:
        return self.client

    async def refresh(self) -> None:
        """Do nothing: a new connection is to the present master."""

    async def aclose(self) -> None:
        await self.client.aclose()


class Cluster:
    """The nodes of a Redis Cluster."""

    def __init__(self, url: str) -> None:
        self.client = ClusterClient(url, CONNECTIONS, **OPTIONS)
        self._options = {**cluster_nodes(url)[1], **OPTIONS}
        self._sharded: bool | None = None

    async def is_sharded(self) -> bool:
        if self._sharded is None:
            info = await self.client.info("server", target_nodes=self.client.RANDOM)
            self._sharded = int(str(info["redis_version"]).split(".")[0]) >= SHARDED
        return self._sharded

    def name_of(self, topic: str, in_use: Iterable[str], sharded: bool) -> str:
        try:
            if not sharded:
                return next(iter(in_use), self.client.get_random_primary_node().name)
            if node := self.client.get_node_from_key(topic):
                return str(node.name)
        except (RedisClusterException, LookupError):
            pass
        raise RedisConnectionError(f"The slot of {topic} has no node.")

    def connect(self, name: str) -> Redis:
        node = self.client.get_node(node_name=name)
        if node is None:
            raise RedisConnectionError(f"{name} is not in the cluster.")
        return Redis(host=node.host, port=int(node.port), **self._options)

    async def refresh(self) -> None:
        await self.client.nodes_manager.initialize()

    async def aclose(self) -> None:
        await self.client.disconnect()


class Subscriptions:
    """The topics of one event loop, with a reader for each node that has any of them."""

    def __init__(self, nodes: OneServer | Cluster) -> None:
        self.nodes = nodes
        self.losses = 0
        self.queues: dict[str, asyncio.Queue[bytes]] = {}  # by channel
        self.topics: defaultdict[str, set[asyncio.Queue[bytes]]] = defaultdict(set)
        self._readers: dict[str, Reader] = {}  # by node
        self._lost: set[str] = set()
        self._repairing: asyncio.Task[None] | None = None

    async def publish(self, topic: str, data: bytes) -> None:
        command = "SPUBLISH" if await self.nodes.is_sharded() else "PUBLISH"
        await self.nodes.client.execute_command(command, topic, data)

    async def subscribe(self, topic: str, queue: asyncio.Queue[bytes]) -> None:
        """Subscribe, and return once the node has confirmed it. Raises `redis.RedisError`."""
        self.topics[topic].add(queue)
        try:
            await self._subscribe(topic)
        except BaseException:
            self.repair({topic})
            raise

    async def _subscribe(self, topic: str) -> None:
        sharded = await self.nodes.is_sharded()
        self._readers = {n: reader for n, reader in self._readers.items() if not reader.ended}
        node = self.nodes.name_of(topic, self._readers, sharded)
        for name, reader in list(self._readers.items()):
            if name != node:
                await reader.unsubscribe(topic)  # of a slot that has moved
        if node not in self._readers:
            self._readers[node] = Reader(self, node, sharded)
        await self._readers[node].subscribe(topic)

    async def unsubscribe(self, topic: str, queue: asyncio.Queue[bytes]) -> None:
        self.topics[topic].discard(queue)
        if not self.topics[topic]:
            del self.topics[topic]
            for reader in list(self._readers.values()):
                await reader.unsubscribe(topic)

    def deliver(self, topic: str, data: bytes) -> None:
        for queue in self.topics.get(topic, ()):
            if queue.full():
                queue.get_nowait()  # drop the oldest: the newest shows the gap soonest
            queue.put_nowait(data)

    def repair(self, topics: set[str]) -> None:
        """Subscribe again to those of `topics` that are still in use."""
        self._lost |= topics & self.topics.keys()
        if self._repairing is None or self._repairing.done():
            # An empty context: the task outlives the request that started it.
            self._repairing = asyncio.get_running_loop().create_task(
                self._resubscribe(), context=contextvars.Context()
            )

    async def _resubscribe(self) -> None:
        while self._lost:
            with contextlib.suppress(RedisError, RedisClusterException, OSError):
                await self.nodes.refresh()
            topics, self._lost = list(self._lost & self.topics.keys()), set()
            errors = await asyncio.gather(*map(self._subscribe, topics), return_exceptions=True)
            self._lost |= {topic for topic, error in zip(topics, errors, strict=True) if error}
            if self._lost:
                await asyncio.sleep(PAUSE)
        self.losses += 1

    async def aclose(self) -> None:
        self.topics.clear()
        if self._repairing is not None:
            self._repairing.cancel()
            await asyncio.wait({self._repairing})
        for reader in list(self._readers.values()):
            await reader.aclose()
        await self.nodes.aclose()


class Reader:
    """One connection to `node` that receives the messages of `topics`."""

    def __init__(self, subscriptions: Subscriptions, node: str, sharded: bool) -> None:
        self.node = node
        self.topics: set[str] = set()
        self.ended = False
        self._subscriptions = subscriptions
        self._sharded = sharded
        self._redis = subscriptions.nodes.connect(node)
        self._pubsub: PubSub = self._redis.pubsub()
        self._confirmations: dict[str, asyncio.Future[None]] = {}
        loop = asyncio.get_running_loop()
        self._connected: asyncio.Future[None] = loop.create_future()
        self._task = loop.create_task(self._read(), context=contextvars.Context())

    async def subscribe(self, topic: str) -> None:
        confirmed = self._confirmations.setdefault(
            topic, asyncio.get_running_loop().create_future()
        )
        self.topics.add(topic)
        try:
            async with asyncio.timeout(TIMEOUT):
                await self._send("subscribe", topic)
                await asyncio.shield(confirmed)
        except (RedisError, OSError):
            self._end()  # the connection may be lost without an error
            raise

    async def unsubscribe(self, topic: str) -> None:
        if topic in self.topics:
            self.topics.discard(topic)
            with contextlib.suppress(RedisError, OSError):
                await self._send("unsubscribe", topic)

    async def _send(self, command: str, topic: str) -> None:
        await asyncio.shield(self._connected)
        if self.ended:
            raise RedisConnectionError(f"{self.node} is unavailable.")
        # These methods record the topic: redis-py subscribes again when it reconnects.
        await getattr(self._pubsub, f"s{command}" if self._sharded else command)(topic)

    async def _read(self) -> None:
        try:
            await self._pubsub.connect()
            if not self._connected.done():
                self._connected.set_result(None)
            while not self.ended:
                message = await self._pubsub.get_message(timeout=None)
                if message is not None:
                    self._take(message)
        except MovedError as error:
            logger.info("A slot has moved: %s", error)
        except (RedisError, OSError) as error:
            if self._connected.done():
                logger.warning("Messages of %s are not received: %s", self.node, error)
            else:
                self._connected.set_exception(error)
        finally:
            self._end()
            with contextlib.suppress(RedisError, OSError):
                await self._pubsub.aclose()
                if self._redis is not self._subscriptions.nodes.client:
                    await self._redis.aclose()

    def _take(self, message: Message) -> None:
        topic = message["channel"].decode()
        kind = message["type"]
        if kind in ("message", "smessage"):
            self._subscriptions.deliver(topic, message["data"])
        elif kind in ("subscribe", "ssubscribe"):
            if confirmed := self._confirmations.pop(topic, None):
                confirmed.set_result(None)
        elif topic in self.topics:  # the slot has moved
            self.topics.discard(topic)
            self._subscriptions.repair({topic})

    def _end(self) -> None:
        if self.ended:
            return
        self.ended = True
        for waiting in (self._connected, *self._confirmations.values()):
            if not waiting.done():
                waiting.set_exception(RedisConnectionError(f"{self.node} is unavailable."))
            waiting.exception()  # mark it as retrieved: its waiters may have been cancelled
        topics, self.topics = self.topics, set()
        if self._task is not asyncio.current_task():
            self._task.cancel()
        self._subscriptions.repair(topics)

    async def aclose(self) -> None:
        self._end()
        await asyncio.wait({self._task})
