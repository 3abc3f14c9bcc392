"""The rows of rooms, in memory: permissions are checked in the event loop, without queries."""

from __future__ import annotations

import asyncio
import contextvars
import logging
from collections.abc import Mapping
from typing import NamedTuple

from channels.db import database_sync_to_async
from django.apps import apps
from django.db import DatabaseError, connection

from transports import hub

logger = logging.getLogger(__name__)

INTERVAL = 2.0  # seconds between reads of the table
TIMEOUT = 5.0  # seconds; bounds the wait for a locked database


class Listing(NamedTuple):
    """A room's row."""

    title: str
    staff_only: bool


Listings = Mapping[str, Listing]  # by the room's name


class Directory:
    """The rows of rooms in this process, as a service of `transports.boundary.Boundary`.

    Reads the table every `INTERVAL` seconds. When a room becomes staff-only, its connections end:
    the clients reconnect, and are checked again.
    """

    def __init__(self) -> None:
        self._listings: Listings | None = None
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        if apps.is_installed("transports.rooms"):
            await self._refresh()
            self._task = asyncio.create_task(self._run(), context=contextvars.Context())

    async def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()

    def listings(self) -> Listings:
        """Return the rows. Raises `DatabaseError` if the table could not be read yet.

        Synchronous code in a process without the service reads the table.
        """
        if self._task is not None and self._listings is not None:
            return self._listings
        if not apps.is_installed("transports.rooms"):
            return {}
        if self._task is None and not _is_on_loop():
            return read_table()
        if self._listings is None:
            raise DatabaseError("The table of rooms has not been read: is the service running?")
        return self._listings

    async def _run(self) -> None:
        while True:
            await asyncio.sleep(INTERVAL)
            await self._refresh()

    async def _refresh(self) -> None:
        try:
            async with asyncio.timeout(TIMEOUT):
                listings = await database_sync_to_async(read_table, thread_sensitive=False)()
        except (DatabaseError, TimeoutError) as error:  # keep the rows of the last read
            logger.warning("The table of rooms could not be read (%r).", error)
            return
        former, self._listings = self._listings or {}, listings
        for name, listing in listings.items():
            if listing.staff_only and not (name in former and former[name].staff_only):
                hub.current().end(name)


def read_table() -> Listings:
    """Return the rows of the table; none if it has not been migrated."""
    room_model = apps.get_model("rooms", "Room")
    try:
        rows = room_model.objects.values_list("name", "title", "staff_only")
        return {name: Listing(title, staff_only) for name, title, staff_only in rows}
    except DatabaseError:
        if room_model._meta.db_table in connection.introspection.table_names():
            raise
        return {}


def _is_on_loop() -> bool:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True


directory = Directory()
