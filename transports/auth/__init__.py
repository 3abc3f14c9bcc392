"""Authentication and permissions of all techniques, on HTTP and WebSocket alike.

    permissions   rooms that a user may enter
    tokens        bearer tokens for programs
    middleware    `TokenAuthMiddlewareStack`: authentication by session or token
    revalidation  periodic checks of open connections
    views         login view that limits failed attempts

docs/access.md describes them for users.
"""
