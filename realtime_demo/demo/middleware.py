"""ASGI middleware of the demo's server: client addresses, and the compression fault."""

from __future__ import annotations

import re
from typing import Any

from django.middleware.gzip import GZipMiddleware
from django.utils.text import compress_string

from transports.http.problems import Problem
from transports.http.scope import Application, Receive, Scope, Send, header
from transports.registry import BY_NAME

from .connections import STREAMS, label_of
from .ipc import parent

_ACCEPTS_GZIP = re.compile(rb"\bgzip\b")


def compressing(application: Application) -> Application:
    """Wrap `application` to compress streams while the compression fault is on.

    It compresses as Django's GZipMiddleware does: each chunk becomes a gzip member, of which
    browsers read only the first. The streams never pass through Django's middleware.
    """

    async def with_fault(scope: Scope, receive: Receive, send: Send) -> None:
        faulty = (
            scope["type"] == "http"
            and parent.state is not None
            and parent.state["faults"]["gzip"]
            and label_of(scope["path"]) in STREAMS
            and _ACCEPTS_GZIP.search(header(scope, b"accept-encoding"))
        )
        await application(scope, receive, _compressed(send) if faulty else send)

    return with_fault


def _compressed(send: Send) -> Send:
    streaming = False

    async def send_compressed(message: dict[str, Any]) -> None:
        nonlocal streaming
        if message["type"] == "http.response.start":
            headers = [*message["headers"]]
            streaming = all(name != b"content-length" for name, _ in headers)
            if streaming:
                headers += [(b"content-encoding", b"gzip"), (b"vary", b"Accept-Encoding")]
                message = {**message, "headers": headers}
        elif streaming and message.get("body"):
            body = compress_string(
                message["body"], max_random_bytes=GZipMiddleware.max_random_bytes
            )
            message = {**message, "body": body}
        await send(message)

    return send_compressed


def with_client_addresses(application: Application) -> Application:
    """Wrap `application` to replace the tap's address with the client's.

    The parent is asked for each request, since the tap's ports are reused. Polls and streams get
    no client address, so that they are not delayed.
    """

    async def with_address(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] in ("http", "websocket"):
            port = scope["client"][1] if scope.get("client") else 0
            scope["client"] = None
            if scope["type"] == "websocket" or label_of(scope["path"]) not in BY_NAME:
                try:
                    answer = await parent.ask("client", port=port)
                except Problem:  # the demo is stopping
                    answer = {"client": None}
                scope["client"] = answer["client"] and tuple(answer["client"])
        await application(scope, receive, send)

    return with_address
