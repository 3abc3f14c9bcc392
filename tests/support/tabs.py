"""A Chromium whose tabs are in front or behind, as a reader's are.

Playwright tells every page that it has the focus, and none of them ever believes itself hidden; nor
may timers be throttled there. This one is spoken to without it, over the DevTools protocol
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

    async def ask(self, method: str, session: str | None = None, **parameters: Any) -> Any:
        """What Chromium answers; `AssertionError` where that is an error."""
        number = next(self.numbers)
        message = {"id": number, "method": method, "params": parameters}
        await self.socket.send(json.dumps(message | ({"sessionId": session} if session else {})))
        while (said := json.loads(await asyncio.wait_for(self.socket.recv(), BOUND))).get(
            "id"
        ) != number:
            pass  # an event, which nobody asked for
        assert "error" not in said, said
        return said["result"]

    async def open(self, url: str) -> Tab:
        """A new tab, in front of the others."""
        target = (await self.ask("Target.createTarget", url="about:blank"))["targetId"]
        attached = await self.ask("Target.attachToTarget", targetId=target, flatten=True)
        await self.ask("Page.navigate", attached["sessionId"], url=url)
        return Tab(self, target, attached["sessionId"])


class Tab:
    def __init__(self, tabs: Tabs, target: str, session: str) -> None:
        self.tabs, self.target, self.session = tabs, target, session

    async def to_front(self) -> None:
        await self.tabs.ask("Target.activateTarget", targetId=self.target)

    async def evaluate(self, expression: str) -> Any:
        """The value of a JavaScript expression, which may be a promise."""
        said = await self.tabs.ask(
            "Runtime.evaluate",
            self.session,
            expression=expression,
            returnByValue=True,
            awaitPromise=True,
        )
        assert "exceptionDetails" not in said, said
        return said["result"].get("value")

    async def until(self, expression: str) -> None:
        """Waits until the expression is true; asked from outside, since hidden timers sleep."""
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
                while not (found := re.search(rb"ws://\S+", await process.stderr.readline())):
                    assert not process.stderr.at_eof(), "Chromium did not start"
            async with connect(found[0].decode(), max_size=None) as socket:
                yield Tabs(socket)
        finally:
            process.terminate()
            await process.communicate()
