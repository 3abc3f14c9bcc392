"""Client addresses behind the wire tap."""

from __future__ import annotations

from transports.http.problems import Refusal
from transports.http.scope import Application, Receive, Scope, Send

from .labels import is_technique, label_of
from .link import parent


def with_client_addresses(application: Application) -> Application:
    """`application`, with the address of the client in place of the tap's.

    The parent is asked anew for each request: a port of the tap is soon another connection's. A
    poll or a stream is not delayed for it, and so has no address.
    """

    async def with_address(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] in ("http", "websocket"):
            port = scope["client"][1] if scope.get("client") else 0
            scope["client"] = None
            if scope["type"] == "websocket" or not is_technique(label_of(scope["path"])):
                try:
                    answer = await parent.ask("client", port=port)
                except Refusal:  # the demo is stopping
                    answer = {"client": None}
                scope["client"] = answer["client"] and tuple(answer["client"])
        await application(scope, receive, send)

    return with_address
