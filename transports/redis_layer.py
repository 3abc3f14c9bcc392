"""channels-redis' layer on connections of ours: a bounded number of them, opened at once."""

from __future__ import annotations

from channels_redis.core import RedisChannelLayer as _RedisChannelLayer

from .redis_connection import Pool, pool


class RedisChannelLayer(_RedisChannelLayer):  # type: ignore[misc]
    """Takes the `hosts` that `redis_connection.layer_host` makes."""

    def create_pool(self, index: int) -> Pool:
        return pool(self.hosts[index])
