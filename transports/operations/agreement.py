"""Agreement of the processes of one feed on the settings that they must have in common.

Each process with Redis writes digests of these settings under the feed's prefix, and reads those
of the others. An error is logged for each process that differs. Of two that differ, the one that
started later is not ready. Processes with another prefix are another feed.
"""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import json
import logging
import os
import secrets
import socket
from collections.abc import Mapping
from typing import Any

from django.conf import settings
from django.utils.crypto import salted_hmac

from transports import feed
from transports.conf import conf
from transports.store.base import StoreUnavailable

logger = logging.getLogger(__name__)

INTERVAL = 5.0  # seconds between two reports
LEASE = 20.0  # seconds after its last report until a process counts as ended
KEPT = 3_600  # seconds until Redis deletes the reports of processes that have all ended
SALT = "transports.operations.agreement"
# The effect of a difference, by setting.
EFFECTS = {
    "SECRET_KEY": "sessions and tokens of one are rejected by the other",
    "DATABASES": "users, tokens and tasks of one are unknown to the other",
    "CHANNEL_LAYERS": "events of one do not wake the subscribers of the other",
    "HISTORY_LENGTH": "the shorter history is kept",
}


def digests() -> dict[str, str]:
    """Return a digest of each setting of `EFFECTS`; no value can be read from it."""
    database = settings.DATABASES.get("default", {})
    layer = getattr(settings, "CHANNEL_LAYERS", {}).get("default", {})
    values = {
        "DATABASES": [str(database.get(name, "")) for name in ("ENGINE", "HOST", "PORT", "NAME")],
        "CHANNEL_LAYERS": [layer.get("BACKEND"), layer.get("CONFIG", {}).get("prefix")],
        "HISTORY_LENGTH": conf.HISTORY_LENGTH,
    }
    # HMAC: of a constant, with SECRET_KEY as the key; of the other values, with a constant key.
    digest = {"SECRET_KEY": salted_hmac(SALT, "", algorithm="sha256").hexdigest()}
    for name, value in values.items():
        text = json.dumps(value)
        digest[name] = salted_hmac(SALT, text, secret=SALT, algorithm="sha256").hexdigest()
    return digest


class Agreement:
    """Compares this process with the others of its feed; a `transports.boundary.Service`.

    `disagreements` has a sentence for each live process that has started earlier and differs.
    """

    def __init__(self) -> None:
        self.disagreements: list[str] = []
        self._process = secrets.token_hex(6)
        self._began = 0.0
        self._logged: set[str] = set()
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Start the reports if the store is in Redis."""
        if conf.REDIS_URL and not conf.STORE and self._task is None:
            loop = asyncio.get_running_loop()
            # An empty context: the task outlives a request that has started it.
            self._task = loop.create_task(self._report(), context=contextvars.Context())

    async def stop(self) -> None:
        if self._task is None:
            return
        self._task.cancel()
        await asyncio.wait({self._task})
        self._task = None
        with contextlib.suppress(StoreUnavailable, TimeoutError):
            async with asyncio.timeout(1):
                await self._reached("hdel", self._process)

    async def _report(self) -> None:
        while True:
            try:
                await self.check()
            except StoreUnavailable as error:
                logger.debug("The processes were not compared: %s", error)
            except Exception:
                logger.exception("The comparison of the processes failed")
            await asyncio.sleep(INTERVAL)

    async def check(self) -> None:
        """Report this process, and compare it with the others. Raises `StoreUnavailable`."""
        now = await self._now()
        self._began = self._began or now
        own = {
            "name": f"{socket.gethostname()}:{os.getpid()}",
            "began": self._began,
            "expires": now + LEASE,
            "digests": digests(),
        }
        await self._reached("hset", self._process, json.dumps(own))
        await self._reached("expire", KEPT)
        reports = {
            key.decode(): json.loads(text) for key, text in (await self._reached("hgetall")).items()
        }
        disagreements: list[str] = []
        for process, report in reports.items():
            if report["expires"] < now:
                await self._reached("hdel", process)
                continue
            sentence = difference(own, report)
            if not sentence:
                continue
            if process not in self._logged:
                self._logged.add(process)
                logger.error(sentence)
            if (report["began"], process) < (self._began, self._process):
                disagreements.append(sentence)
        self._logged &= reports.keys()
        self.disagreements = disagreements

    async def _now(self) -> float:
        seconds, microseconds = await self._reached("time", key=False)
        return float(seconds) + float(microseconds) / 1e6

    async def _reached(self, command: str, *arguments: str | int, key: bool = True) -> Any:
        # Not at the top: redis-py is imported only where a Redis is used.
        from transports.store.redis.store import RedisStore, reached

        store = feed.store()
        assert isinstance(store, RedisStore)
        keys = [f"{conf.REDIS_PREFIX}:processes"] if key else []
        return await reached(getattr(store.redis, command)(*keys, *arguments))


def difference(own: Mapping[str, Any], other: Mapping[str, Any]) -> str:
    """Describe the settings that differ; an empty string if none does.

    Settings that only one of two versions of this project reports are not compared.
    """
    different = [
        f"{name} ({effect})"
        for name, effect in EFFECTS.items()
        if name in other["digests"] and other["digests"][name] != own["digests"][name]
    ]
    if not different:
        return ""
    return (
        f"Process {own['name']} and process {other['name']} use one Redis with the prefix "
        f"{conf.REDIS_PREFIX!r}, but differ in {', '.join(different)}."
    )


agreement = Agreement()
