"""Fault injection in a real deployment, with a check of every client's events afterwards.

- `deployment`: nginx, servers, worker, and a Redis that can be stopped;
- `faults`: the faults, and how each is injected;
- `publisher`, `clients`: a steady feed, and the project's own clients that follow it;
- `ledger`: counts of the events that one client lost, or received twice or out of order;
- `soak`: an hour with clients that come and go, and the trend of the deployment's resources.
"""

import os

# `realtime_demo.production` reads Django's settings.
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "realtime_demo.settings")
