"""Cases of the token stack."""

from __future__ import annotations

from typing import Any

from websockets.asyncio.client import connect
from websockets.exceptions import InvalidHandshake, InvalidStatus
from websockets.typing import Subprotocol

from realtime_demo.workshop.bench import Bench
from realtime_demo.workshop.exchange import Unexpected

TOKEN = "c2VjcmV0LWFkYQ"  # ada's
VERSION = Subprotocol("realtime.v1")


async def user(bench: Bench, query: str = "", **options: Any) -> tuple[str, str | None]:
    """Return the user that the server sends, and the subprotocol that it chooses.

    A rejected handshake has the status instead of the user.
    """
    url = f"ws://127.0.0.1:{bench.port}/whoami/{query}"
    try:
        async with connect(url, open_timeout=bench.patience, **options) as socket:
            return str(await socket.recv()), socket.subprotocol
    except InvalidStatus as error:
        return str(error.response.status_code), None
    except InvalidHandshake as error:
        return str(error), None


async def expect(actual: tuple[str, str | None], name: str, subprotocol: str | None = None) -> None:
    if actual != (name, subprotocol):
        received = f"{actual[0]}\nSec-WebSocket-Protocol: {actual[1]}".encode()
        raise Unexpected(received, got=actual[0], subprotocol=actual[1])


async def none(bench: Bench) -> None:
    await expect(await user(bench), "anonymous")


async def bearer(bench: Bench) -> None:
    headers = {"Authorization": f"Bearer {TOKEN}"}
    await expect(await user(bench, additional_headers=headers), "ada")


async def subprotocol(bench: Bench) -> None:
    offered = [VERSION, Subprotocol(f"token.{TOKEN}")]
    await expect(await user(bench, subprotocols=offered), "ada", VERSION)


async def url(bench: Bench) -> None:
    name, _ = await user(bench, f"?token={TOKEN}")
    if name == "ada":
        raise Unexpected(name.encode(), got=name)


async def forged(bench: Bench) -> None:
    headers = {"Authorization": "Bearer Zm9yZ2Vk"}
    name, _ = await user(bench, additional_headers=headers)
    if not name.startswith("4"):
        raise Unexpected(name.encode(), got=name)
