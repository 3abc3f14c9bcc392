"""Agreement of the processes of one feed on the settings that they must have in common.

Each process writes digests of these settings to a register, and reads those of the others. It logs
an error for each process that differs, and is not ready if that process started earlier. With
Redis the register is a hash under the feed's prefix: processes with another prefix have another
feed. Without Redis each process has its own feed; the register is then a table of the database,
and compares only `SECRET_KEY`, which signs sessions and tokens.
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
import time
from collections.abc import Iterable
from typing import Any, Protocol

from channels.db import database_sync_to_async
from django.apps import apps
from django.conf import settings
from django.db import DatabaseError
from django.utils import translation
from django.utils.crypto import salted_hmac
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from transports import feed
from transports.conf import conf
from transports.store.base import StoreUnavailable

logger = logging.getLogger(__name__)

INTERVAL = 5.0  # seconds between two reports to a database
REDIS_INTERVAL = 10.0  # seconds between two reports to Redis
LEASE = 20.0  # seconds after its last report until a process counts as ended
TIMEOUT = 5.0  # seconds; bounds the wait for a locked database
KEPT = 3_600  # seconds until Redis deletes the reports of processes that have all ended
SALT = "transports.operations.agreement"
# The effect of a difference, by setting.
EFFECTS: dict[str, Promise] = {
    "SECRET_KEY": gettext_lazy("sessions and tokens of one are rejected by the other"),
    "DATABASES": gettext_lazy("users, tokens and tasks of one are unknown to the other"),
    "CHANNEL_LAYERS": gettext_lazy("events of one do not wake the subscribers of the other"),
    "HISTORY_LENGTH": gettext_lazy("the shorter history is kept"),
}

Report = dict[str, Any]  # of a process


class NotCompared(Exception):
    """The register cannot be reached."""


class Register(Protocol):
    """The reports of all processes, by process."""

    compared: tuple[str, ...]  # settings
    interval: float  # seconds between two reports

    @property
    def shared(self) -> str:
        """The resource that the processes share, as the object of a sentence."""

    async def now(self) -> float: ...

    async def exchange(self, process: str, report: Report) -> dict[str, Report]:
        """Write the report of `process`, and return those of all. Raises `NotCompared`."""

    async def remove(self, process: str) -> None: ...


class RedisRegister:
    """A hash in the feed's Redis, whose clock it uses."""

    compared = tuple(EFFECTS)
    interval = REDIS_INTERVAL

    def __init__(self) -> None:
        self._kept_at = float("-inf")  # on the loop's clock

    @property
    def shared(self) -> str:
        return _("one Redis with the prefix {prefix}").format(prefix=repr(conf.REDIS_PREFIX))

    async def now(self) -> float:
        seconds, microseconds = await self._execute("time", key=False)
        return float(seconds) + float(microseconds) / 1e6

    async def exchange(self, process: str, report: Report) -> dict[str, Report]:
        await self._execute("hset", process, json.dumps(report))
        now = asyncio.get_running_loop().time()
        if now - self._kept_at > KEPT / 2:
            await self._execute("expire", KEPT)
            self._kept_at = now
        reports = await self._execute("hgetall")
        return {key.decode(): json.loads(text) for key, text in reports.items()}

    async def remove(self, process: str) -> None:
        await self._execute("hdel", process)

    async def _execute(self, command: str, *arguments: str | int, key: bool = True) -> Any:
        # Not at the top: redis-py is imported only where a Redis is used.
        from transports.store.redis.store import RedisStore, reached

        store = feed.store()
        assert isinstance(store, RedisStore)
        keys = [f"{store.shared_prefix}:processes"] if key else []
        try:
            return await reached(getattr(store.redis, command)(*keys, *arguments))
        except StoreUnavailable as error:
            raise NotCompared(str(error)) from error


class DatabaseRegister:
    """A table. Only reports that have been renewed count.

    Otherwise a restart without a `SECRET_KEY` would disagree with the last report of the process
    that it replaces.
    """

    compared: tuple[str, ...] = ("SECRET_KEY",)
    interval = INTERVAL

    def __init__(self) -> None:
        self._first: dict[str, float] = {}  # expiry at the first read, by process

    @property
    def shared(self) -> str:
        return _("one database")

    async def now(self) -> float:
        return time.time()

    async def exchange(self, process: str, report: Report) -> dict[str, Report]:
        try:
            async with asyncio.timeout(TIMEOUT):
                exchange = database_sync_to_async(_exchange, thread_sensitive=False)
                reports = await exchange(process, report)
        except (DatabaseError, TimeoutError) as error:
            raise NotCompared(repr(error)) from error
        return {
            key: report
            for key, report in reports.items()
            if report["expires"] > self._first.setdefault(key, report["expires"])
        }

    async def remove(self, process: str) -> None:
        """Leave the row, which expires: a process that stops does not wait for its database."""


def _exchange(process: str, report: Report) -> dict[str, Report]:
    rows = apps.get_model("access", "Process")._default_manager
    rows.update_or_create(id=process, defaults={"report": report})
    reports = dict(rows.values_list("id", "report"))
    now = report["expires"] - LEASE
    expired = [key for key, other in reports.items() if other["expires"] < now]
    rows.filter(id__in=expired).delete()
    return reports


def digests(names: Iterable[str] = tuple(EFFECTS)) -> dict[str, str]:
    """Return a digest of each of these settings; no value can be read from it."""
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
    return {name: digest[name] for name in names}


class Agreement:
    """Compares this process with the others of its feed; a `transports.boundary.Service`.

    `disagreements` has a sentence for each live process that has started earlier and differs.
    """

    def __init__(self) -> None:
        self.language = settings.LANGUAGE_CODE  # of the sentences
        self.disagreements: list[str] = []
        self._process = secrets.token_hex(6)
        self._began = 0.0
        self._logged: set[str] = set()
        self._register: Register | None = None
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Begin to report, if the store is in Redis or the sessions and tokens in a database."""
        if self._task is not None:
            return
        if conf.REDIS_URL and not conf.STORE:
            self._register = RedisRegister()
        elif apps.is_installed("transports.auth"):
            self._register = DatabaseRegister()
        else:
            return
        loop = asyncio.get_running_loop()
        # An empty context: the task outlives a request that has started it.
        self._task = loop.create_task(self._report(), context=contextvars.Context())

    async def stop(self) -> None:
        if self._task is None or self._register is None:
            return
        self._task.cancel()
        await asyncio.wait({self._task})
        self._task = None
        with contextlib.suppress(NotCompared, TimeoutError):
            async with asyncio.timeout(1):
                await self._register.remove(self._process)

    async def _report(self) -> None:
        assert self._register is not None
        while True:
            try:
                with translation.override(self.language):
                    await self.check(self._register)
            except NotCompared as error:
                logger.debug("The processes were not compared: %s", error)
            except Exception:
                logger.exception("The comparison of the processes failed")
            await asyncio.sleep(self._register.interval)

    async def check(self, register: Register) -> None:
        """Report this process, and compare it with the others. Raises `NotCompared`."""
        now = await register.now()
        self._began = self._began or now
        own = {
            "name": f"{socket.gethostname()}:{os.getpid()}",
            "began": self._began,
            "expires": now + LEASE,
            "digests": digests(register.compared),
        }
        reports = await register.exchange(self._process, own)
        disagreements: list[str] = []
        for process, report in reports.items():
            if report["expires"] < now:
                await register.remove(process)
                continue
            sentence = difference(own, report, register.shared)
            if not sentence:
                continue
            if process not in self._logged:
                self._logged.add(process)
                logger.error(sentence)
            if (report["began"], process) < (self._began, self._process):
                disagreements.append(sentence)
        self._logged &= reports.keys()
        self.disagreements = disagreements


def difference(own: Report, other: Report, shared: str) -> str:
    """Describe the settings that differ; an empty string if none does.

    Settings that only one of two versions of this project reports are not compared.
    """
    different = [
        f"{name} ({effect})"
        for name, effect in EFFECTS.items()
        if name in own["digests"]
        and other["digests"].get(name, own["digests"][name]) != own["digests"][name]
    ]
    if not different:
        return ""
    return _(
        "Process {own} and process {other} use {shared}, but differ in {settings}. "
        "Give both the same."
    ).format(own=own["name"], other=other["name"], shared=shared, settings=", ".join(different))


agreement = Agreement()
