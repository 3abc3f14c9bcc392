"""Concurrent appends, in one pipeline."""

from __future__ import annotations

import asyncio
import contextvars
import hashlib
from typing import Any, NamedTuple

from redis.asyncio import Redis


class _Call(NamedTuple):
    keys: list[str]
    arguments: list[Any]
    response: asyncio.Future[Any]


class Appends:
    """Calls of `script`: those made during one round trip share the next.

    Redis runs them in the order of the calls; each has its own response or error.
    """

    def __init__(self, redis: Redis, script: str) -> None:
        self._redis = redis
        self._script = script
        self._sha = hashlib.sha1(script.encode(), usedforsecurity=False).hexdigest()
        self._calls: list[_Call] = []
        self._sending: asyncio.Task[None] | None = None

    async def __call__(self, keys: list[str], args: list[Any]) -> Any:
        """Return the script's response. Raises `redis.RedisError` and `OSError`."""
        loop = asyncio.get_running_loop()
        call = _Call(keys, args, loop.create_future())
        self._calls.append(call)
        if self._sending is None or self._sending.done():
            # A task of its own: the others' appends outlive the first's caller.
            self._sending = loop.create_task(self._send_all(), context=contextvars.Context())
        return await call.response

    async def _send_all(self) -> None:
        while self._calls:
            calls, self._calls = self._calls, []
            await self._send(calls)

    async def _send(self, calls: list[_Call]) -> None:
        # EVAL caches the script for the calls after it: no separate SCRIPT LOAD.
        commands = ("EVAL", self._script), *[("EVALSHA", self._sha)] * (len(calls) - 1)
        responses: list[Any]
        try:
            async with self._redis.pipeline(transaction=False) as pipe:
                for (name, script), call in zip(commands, calls, strict=True):
                    pipe.execute_command(name, script, len(call.keys), *call.keys, *call.arguments)
                responses = await pipe.execute(raise_on_error=False)
        except Exception as error:
            responses = [error] * len(calls)
        for call, response in zip(calls, responses, strict=True):
            if call.response.done():  # its caller was cancelled
                continue
            if isinstance(response, Exception):
                call.response.set_exception(response)
            else:
                call.response.set_result(response)
