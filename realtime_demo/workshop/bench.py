"""Server of an exercise's application for its check, in a thread, over real sockets.

Its store can pause; its channel layer can lose messages and counts readers.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import socket
import sys
import threading
from collections.abc import Awaitable, Callable, Coroutine, Iterator, Mapping
from contextlib import AbstractAsyncContextManager, ExitStack, contextmanager
from pathlib import Path
from runpy import run_path
from typing import Any, TypeVar, cast

import uvicorn
from channels.layers import InMemoryChannelLayer, channel_layers, get_channel_layer
from django.test import override_settings

from realtime_demo.workshop.exchange import Exchange
from transports import feed, hub
from transports.events import Batch, Cursor, Draft, Event
from transports.http.scope import Application, Receive, Scope, Send
from transports.store.memory import MemoryStore
from transports.telemetry import telemetry

T = TypeVar("T")
STOP_TIMEOUT = 5.0  # seconds
_numbers = itertools.count()


class PausingStore(MemoryStore):
    """A store in memory whose `read` waits before and after it reads, in seconds."""

    before_read = after_read = 0.0
    reads = 0

    async def read(self, room: str, since: Cursor | None) -> Batch:
        self.reads += 1
        await asyncio.sleep(self.before_read)
        batch = await super().read(room, since)
        await asyncio.sleep(self.after_read)
        return batch


class LosingLayer(InMemoryChannelLayer):  # type: ignore[misc]
    """A channel layer in memory that loses the next `to_lose` messages."""

    to_lose = 0

    async def group_send(self, group: str, message: dict[str, Any]) -> None:
        if self.to_lose:
            self.to_lose -= 1
        else:
            await super().group_send(group, message)


class SendCounter:
    """ASGI middleware that records the most sends that wait for one client at a time."""

    def __init__(self, application: Application) -> None:
        self.application = application
        self.most = 0
        self.most_bytes = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        waiting = waiting_bytes = 0

        async def counted(message: dict[str, Any]) -> None:
            nonlocal waiting, waiting_bytes
            size = len(message.get("body", b""))
            waiting, waiting_bytes = waiting + 1, waiting_bytes + size
            self.most = max(self.most, waiting)
            self.most_bytes = max(self.most_bytes, waiting_bytes)
            try:
                await send(message)
            finally:
                waiting, waiting_bytes = waiting - 1, waiting_bytes - size

        await self.application(scope, receive, counted)


class Bench:
    """The server of `folder`'s `app.py`, while the block lasts.

    `patience` is the longest wait for what has to arrive, in seconds. Entering raises what
    importing `app.py` raises.
    """

    def __init__(self, folder: Path, patience: float) -> None:
        self.folder = folder
        self.patience = patience
        self.layer = LosingLayer()
        self.loop: asyncio.AbstractEventLoop

    def __enter__(self) -> Bench:
        with ExitStack() as stack:
            stack.enter_context(
                override_settings(
                    STORE=f"{__name__}.{PausingStore.__name__}",
                    REDIS_URL="",
                    TELEMETRY="",
                    ALLOWED_HOSTS=["127.0.0.1"],
                    MAY_ENTER="",
                )
            )
            telemetry.cache_clear()
            stack.callback(telemetry.cache_clear)
            get_channel_layer()  # creates the project's layer, to restore it later
            stack.callback(channel_layers.set, "default", channel_layers.set("default", self.layer))
            with importable(self.folder):
                application = run_path(str(self.folder / "app.py"))["application"]
            self.sends = SendCounter(application)
            listener = socket.create_server(("127.0.0.1", 0))
            self.port = listener.getsockname()[1]
            running = threading.Event()
            self._server = uvicorn.Server(
                uvicorn.Config(self.sends, log_config=None, access_log=False, lifespan="off")
            )
            self._thread = threading.Thread(
                target=lambda: asyncio.run(self._serve(listener, running)), daemon=True
            )
            self._thread.start()
            stack.callback(self._stop)
            running.wait(self.patience)
            self._restoring = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._restoring.close()

    def _stop(self) -> None:
        self._server.should_exit = self._server.force_exit = True
        self._thread.join(STOP_TIMEOUT)

    async def _serve(self, listener: socket.socket, running: threading.Event) -> None:
        self.loop = asyncio.get_running_loop()
        self.store = cast(PausingStore, feed.store())
        running.set()
        try:
            await self._server.serve(sockets=[listener])
        finally:
            await hub.aclose()

    # For the cases

    def room(self) -> str:
        """Return the name of a room that no other case uses."""
        return f"room-{next(_numbers)}"

    def get(
        self, target: str, headers: Mapping[str, str] | None = None, **options: Any
    ) -> AbstractAsyncContextManager[Exchange]:
        """Send a request on a connection of its own; `options` are those of `Exchange.open`."""
        options.setdefault("patience", self.patience)
        return Exchange.open(options.pop("port", self.port), target, headers, **options)

    async def publish(self, room: str, *texts: str) -> list[Event]:
        """Publish messages in order; return their events."""
        return [await self.run(feed.publish(Draft(room, "ada", text))) for text in texts]

    async def publish_at_once(self, room: str, count: int) -> list[Event]:
        """Publish `count` messages concurrently; return their events in order."""

        async def publish_all() -> list[Event]:
            drafts = [Draft(room, "ada", str(number)) for number in range(1, count + 1)]
            return await asyncio.gather(*map(feed.publish, drafts))

        return sorted(await self.run(publish_all()), key=lambda event: event.cursor.seq)

    async def head(self, room: str) -> Cursor:
        """Return the cursor after the room's last event."""
        return (await self.run(feed.history(room))).cursor

    def readers(self, room: str) -> int:
        """Return the number of channels in the room's group."""
        return len(self.layer.groups.get(feed.group_of(room), {}))

    async def waiting(self) -> int:
        """Return the number of requests and subscriptions that wait for events."""

        async def users() -> int:
            return hub.current().users

        return await self.run(users())

    async def run(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """Run `coroutine` in the server's event loop."""
        return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(coroutine, self.loop))

    async def until(self, condition: Callable[[], object]) -> bool:
        """Wait until `condition()`, or its awaited result, is true; return False on timeout."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self.patience):
                while True:
                    value = condition()
                    if await value if isinstance(value, Awaitable) else value:
                        return True
                    await asyncio.sleep(0.01)
        return False


@contextmanager
def importable(folder: Path) -> Iterator[None]:
    """Make the modules of `folder` importable for the block; unload them after it."""
    before = set(sys.modules)
    sys.path.insert(0, str(folder))
    try:
        yield
    finally:
        sys.path.remove(str(folder))
        for name in set(sys.modules) - before:
            file = getattr(sys.modules[name], "__file__", None)
            if file and folder.resolve() in Path(file).resolve().parents:
                del sys.modules[name]
