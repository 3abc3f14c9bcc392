"""Measurements of the cost of a delivery, by server and technique, with peers in the same run.

    python -m benchmarks [--quick] [--only NAME] [--json FILE] [--publish]     (or: make bench)

A server runs on one core, the load on another. Cost is counted in CPU seconds, which vary less
than wall time on a shared machine. A run in which a delivery was lost, duplicated or out of order
has no figure. See docs/benchmarks.md.
"""

import os

# The load generator reads the techniques' names and limits; each server has its own settings.
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "realtime_demo.settings")
