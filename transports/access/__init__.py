"""Who may come in: everything that decides, for every technique, HTTP and WebSocket alike.

    rules           which room, which Host, which Origin
    tokens          what a program shows instead of a session
    authentication  who it is: `TokenAuthMiddlewareStack`
    connections     the same questions again, while a connection is open
    limits          how many connections, how many events a second

docs/access.md tells it from outside. What needs Django's models is imported from its module.
"""

from .rules import STAFF_PREFIX, check_host, check_origin, check_room, enter
from .scope import Application, Receive, Scope, Send, header

__all__ = [
    "STAFF_PREFIX",
    "Application",
    "Receive",
    "Scope",
    "Send",
    "check_host",
    "check_origin",
    "check_room",
    "enter",
    "header",
]
