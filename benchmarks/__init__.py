"""What a delivery costs the server, beside the chat of the Channels tutorial, in one run.

    python -m benchmarks [--quick] [--only NAME] [--json FILE]        (or: make bench)

A server runs in a process of its own on one core, the load on another. Cost is counted in CPU
seconds, which hold still on a shared machine where wall time does not. No figure is given of a
run in which a delivery was lost, doubled or out of order. See docs/benchmarks.md.
"""

import os

# The techniques' names are texts of Django's, outside of manage.py too; the servers have their own.
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "realtime_demo.settings")
