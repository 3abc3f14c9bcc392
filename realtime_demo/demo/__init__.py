"""`manage.py demo` as two processes, with a simulated network between browser and server.

    browser ──── Tap ──── server
                  │          │
               parent      child              NDJSON over a Unix socket (`ipc`)

The parent (`runner`, `supervisor`) listens on the public port. Its tap relays to the child, which
is the server on a loopback port: one origin serves all, and the tap counts, delays and cuts. While
the server restarts, the parent keeps the port and the settings (`state`). The controls are views of
the child (`control_api`, `state_socket`) that send commands to the parent; they exist only in the
demo.
"""
