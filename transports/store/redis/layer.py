"""channels-redis' layer on this project's connections, with a bounded clean-up."""

from __future__ import annotations

import asyncio
import logging

from channels_redis.core import RedisChannelLayer as _RedisChannelLayer

from transports.store.redis.connection import Pool, pool

logger = logging.getLogger(__name__)

CLEANING = 2.0  # seconds


class RedisChannelLayer(_RedisChannelLayer):  # type: ignore[misc]
    """A channel layer for `hosts` from `transports.store.redis.url.layer_host`."""

    def create_pool(self, index: int) -> Pool:
        return pool(self.hosts[index])

    async def _clean_receive_backup(self, index: int, channel: str) -> None:
        # Bound the clean-up: the next receive waits for it, and a hung connection times out only
        # after 15 s. Messages not cleaned up arrive again; the hub drops them by their number.
        try:
            async with asyncio.timeout(CLEANING):
                await super()._clean_receive_backup(index, channel)
        except Exception as error:
            logger.warning("A message may arrive a second time (%r).", error)
