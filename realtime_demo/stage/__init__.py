"""The stage: `manage.py demo` as two processes, so that the network can really fail.

    a browser ── Tap ── the server
                  │        │
               the parent  the child          NDJSON over a Unix socket (`link`)

The parent (`parent`) holds the public port. Its wire tap relays to the child (`child`), which is
the server on a loopback port of its own: so one origin serves everything, what crosses is really
counted, the network is really added, and the server can be killed and started again while the
parent keeps the port and what outlives a restart (`settings`). The controls are HTTP endpoints of
the child (`controls`, `live`), which asks the parent; outside the demo they do not exist.
"""
