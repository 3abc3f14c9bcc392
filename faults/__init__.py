"""Faults, on purpose: what every client was told, while parts of a real deployment are taken away.

- `deployment`: nginx, servers and worker, on a Redis that can be taken away;
- `faults`: the faults, and how each is injected;
- `publisher`, `clients`: a steady feed, and the project's own clients following it;
- `ledger`: what one client received, held against what there was;
- `soak`: an hour with clients coming and going, and whether anything grows.
"""

import os

# What the production is configured with is asked for outside of manage.py too.
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "realtime_demo.settings")
