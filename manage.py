#!/usr/bin/env python
"""Django's command line: `manage.py demo`, `manage.py runserver`, …"""

import os
import sys

from realtime_demo.__main__ import run

if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "realtime_demo.settings")
    run(sys.argv)
