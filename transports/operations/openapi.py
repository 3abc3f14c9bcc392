"""`GET /openapi.json`: the HTTP half of the wire contract, for programs (OpenAPI 3.1)."""

from __future__ import annotations

from pathlib import Path

from transports.http.base import Endpoint, answer
from transports.http.request import Request
from transports.http.scope import Receive, Send

DESCRIPTION = Path(__file__).with_name("openapi.json")


class DescriptionEndpoint(Endpoint):
    """The file beside this module, as it is."""

    document = DESCRIPTION.read_bytes()

    async def respond(self, request: Request, receive: Receive, send: Send) -> None:
        # Anyone's page may read it, as a documentation browser does.
        headers = [(b"access-control-allow-origin", b"*")]
        await answer(send, 200, b"application/json", self.document, headers)
