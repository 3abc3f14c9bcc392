"""Who may come in: everything that decides, for every technique, HTTP and WebSocket alike.

    permissions   which room
    tokens        what a program shows instead of a session
    middleware    who it is: `TokenAuthMiddlewareStack`
    revalidation  the same questions again, while a connection is open
    throttling    how many connections, how many events a second

docs/access.md tells it from outside.
"""
