"""channels-redis' layer on connections of ours, and with a reader that nothing can hold up."""

from __future__ import annotations

import asyncio
import logging

from channels_redis.core import RedisChannelLayer as _RedisChannelLayer

from transports.store.redis.connection import Pool, pool

logger = logging.getLogger(__name__)

CLEANING = 2.0  # seconds


class RedisChannelLayer(_RedisChannelLayer):  # type: ignore[misc]
    """Takes the `hosts` that `transports.store.redis.url.layer_host` makes."""

    def create_pool(self, index: int) -> Pool:
        return pool(self.hosts[index])

    async def _clean_receive_backup(self, index: int, channel: str) -> None:
        # The next receive of the process waits for this, and so for as long as a connection may
        # say nothing: 15 s. What is not cleaned comes a second time, and is known by its number.
        try:
            async with asyncio.timeout(CLEANING):
                await super()._clean_receive_backup(index, channel)
        except Exception as error:
            logger.warning("A message may come a second time (%r).", error)
