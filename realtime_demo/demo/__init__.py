"""`manage.py demo` as two processes, so that the network can really fail.

    a browser ── Tap ── the server
                  │        │
               the parent  the child          NDJSON over a Unix socket (`ipc`)

The parent (`runner`, `supervisor`) holds the public port. Its tap relays to the child, which is
the server on a loopback port of its own: so one origin serves everything, every byte that crosses
is counted, the network is really added, and the server can be killed and started again while the
parent keeps the port and what outlives a restart (`state`). The controls are the child's views
(`control_api`, `state_socket`), which ask the parent; outside the demo they do not exist.
"""
