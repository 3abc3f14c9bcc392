"""Concurrent appends: several in one round trip, and those of one room in one call of a script."""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import Awaitable, Callable
from typing import Any, NamedTuple

MOST = 200  # appends in a round trip: Redis serves no other client while a script runs


class Append(NamedTuple):
    """An event to append: its JSON after the id, and the key to use once, or an empty string."""

    body: bytes
    key: str
    remember: int  # seconds until the key expires
    identity: asyncio.Future[bytes | None]


Call = tuple[list[str], list[Any]]  # the keys and arguments of a script


class Appends:
    """Appends to rooms. Appends made during a round trip of their lane share the next one.

    `call` makes the script's call for the appends of one room, and `run` runs calls; it returns a
    list of ids, or an error, for each. Appends keep their order within a lane.
    """

    def __init__(
        self,
        call: Callable[[str, list[Append]], Call],
        run: Callable[[list[Call]], Awaitable[list[Any]]],
        lane_of: Callable[[str], str],
    ) -> None:
        self._call = call
        self._run = run
        self._lane_of = lane_of
        self._waiting: dict[str, list[tuple[str, Append]]] = {}  # by lane
        self._sending: set[asyncio.Task[None]] = set()

    async def __call__(self, room: str, body: bytes, key: str, remember: int) -> bytes | None:
        """Return the event's id; None if the key has been used.

        Raises `redis.RedisError` and `OSError`.
        """
        loop = asyncio.get_running_loop()
        append = Append(body, key, remember, loop.create_future())
        lane = self._lane_of(room)
        if lane not in self._waiting:
            self._waiting[lane] = []
            # A task of its own: if the first caller is cancelled, the other appends continue.
            sending = loop.create_task(self._send_all(lane), context=contextvars.Context())
            self._sending.add(sending)
            sending.add_done_callback(self._sending.discard)
        self._waiting[lane].append((room, append))
        return await append.identity

    async def _send_all(self, lane: str) -> None:
        while waiting := self._waiting[lane]:
            self._waiting[lane] = waiting[MOST:]
            rooms: dict[str, list[Append]] = {}
            for room, append in waiting[:MOST]:
                rooms.setdefault(room, []).append(append)
            await self._send(rooms)
        del self._waiting[lane]

    async def _send(self, rooms: dict[str, list[Append]]) -> None:
        responses: list[Any]
        try:
            responses = await self._run([self._call(*item) for item in rooms.items()])
        except Exception as error:
            responses = [error] * len(rooms)
        for appends, response in zip(rooms.values(), responses, strict=True):
            for number, append in enumerate(appends):
                if append.identity.done():  # its caller was cancelled
                    continue
                if isinstance(response, Exception):
                    append.identity.set_exception(response)
                else:
                    append.identity.set_result(response[number])
