"""This project's server, which says what garbage its connections have left behind.

`GET /garbage/` collects it, by type, and keeps the collector off until it is asked again: what
counting references frees is never seen. `GET /users/` says who waits here: the requests that
Django itself answers leave cycles.
"""

from __future__ import annotations

import gc
import json
from collections import Counter
from types import FrameType

from realtime_demo.asgi import application as honest_application
from transports import hub
from transports.http.scope import Receive, Scope, Send


def garbage() -> Counter[str]:
    gc.disable()
    gc.set_debug(gc.DEBUG_SAVEALL)
    gc.collect()
    gc.set_debug(0)
    found = Counter(map(described, gc.garbage))
    gc.garbage.clear()
    gc.collect()
    return found


def described(each: object) -> str:
    """Its type; of a frame also the function."""
    name = type(each).__qualname__
    return f"{name} of {each.f_code.co_qualname}" if isinstance(each, FrameType) else name


async def application(scope: Scope, receive: Receive, send: Send) -> None:
    if scope.get("path") == "/garbage/":
        body = json.dumps(garbage()).encode()
    elif scope.get("path") == "/users/":
        body = json.dumps(hub.current().users).encode()
    else:
        await honest_application(scope, receive, send)
        return
    length = (b"content-length", str(len(body)).encode())
    await send({"type": "http.response.start", "status": 200, "headers": [length]})
    await send({"type": "http.response.body", "body": body})
