"""Sockets that the server closes."""

from __future__ import annotations

import asyncio

import pytest
from websockets.asyncio.client import ClientConnection
from websockets.exceptions import ConnectionClosed
from websockets.frames import Close

from .waiting import BOUND


async def close_of(socket: ClientConnection) -> Close:
    """Return the close frame of the server, which must send no message before it."""
    with pytest.raises(ConnectionClosed) as closed:
        async with asyncio.timeout(BOUND):
            await socket.recv()
    assert closed.value.rcvd is not None, "no close frame"
    return closed.value.rcvd
