"""A Chromium whose tabs are visible or hidden, as a reader's are.

Playwright gives every page the focus, so that none is ever hidden or has its timers throttled. So
this browser is controlled without Playwright, over the DevTools protocol
(https://chromedevtools.github.io/devtools-protocol/).
"""

from __future__ import annotations

import asyncio
import itertools
import json
import re
import shutil
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from websockets.asyncio.client import ClientConnection, connect

from tests.support.chromium import ARGUMENTS, NAMES
from tests.support.waiting import BOUND


class Tabs:
    def __init__(self, socket: ClientConnection) -> None:
        self.socket = socket
        self.numbers = itertools.count(1)

    async def call(self, method: str, session: str | None = None, **parameters: Any) -> Any:
        """Return Chromium's result of `method`; raise `AssertionError` for an error."""
        number = next(self.numbers)
        message = {"id": number, "method": method, "params": parameters}
        await self.socket.send(json.dumps(message | ({"sessionId": session} if session else {})))
        while (response := json.loads(await asyncio.wait_for(self.socket.recv(), BOUND))).get(
            "id"
        ) != number:
            pass  # an event
        assert "error" not in response, response
        return response["result"]

    async def open(self, url: str) -> Tab:
        """Open a tab in front of the others."""
        target = (await self.call("Target.createTarget", url="about:blank"))["targetId"]
        attached = await self.call("Target.attachToTarget", targetId=target, flatten=True)
        await self.call("Page.navigate", attached["sessionId"], url=url)
        return Tab(self, target, attached["sessionId"])


class Tab:
    def __init__(self, tabs: Tabs, target: str, session: str) -> None:
        self.tabs, self.target, self.session = tabs, target, session

    async def to_front(self) -> None:
        await self.tabs.call("Target.activateTarget", targetId=self.target)

    async def evaluate(self, expression: str) -> Any:
        """Return the value of a JavaScript expression, which may be a promise."""
        response = await self.tabs.call(
            "Runtime.evaluate",
            self.session,
            expression=expression,
            returnByValue=True,
            awaitPromise=True,
        )
        assert "exceptionDetails" not in response, response
        return response["result"].get("value")

    async def until(self, expression: str) -> None:
        """Wait until the expression is true, by a timer outside the page: hidden timers sleep."""
        deadline = time.monotonic() + BOUND
        while not await self.evaluate(expression):
            assert time.monotonic() < deadline, expression
            await asyncio.sleep(0.1)


@asynccontextmanager
async def tabs() -> AsyncIterator[Tabs]:
    executable = next(filter(None, map(shutil.which, NAMES)), None)
    if executable is None:
        pytest.skip("No Chromium is installed on this system.")
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        process = await asyncio.create_subprocess_exec(
            executable,
            "--headless=new",
            "--remote-debugging-port=0",
            f"--user-data-dir={folder}",
            *ARGUMENTS,
            stderr=asyncio.subprocess.PIPE,
        )
        assert process.stderr is not None
        try:
            async with asyncio.timeout(BOUND):
                while not (match := re.search(rb"ws://\S+", await process.stderr.readline())):
                    assert not process.stderr.at_eof(), "Chromium did not start"
            async with connect(match[0].decode(), max_size=None) as socket:
                yield Tabs(socket)
        finally:
            process.terminate()
            await process.communicate()
