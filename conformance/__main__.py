"""`python -m conformance`."""

import signal
import sys

from .cli import main

try:
    sys.exit(main(sys.argv[1:]))
except KeyboardInterrupt:
    sys.exit(128 + signal.SIGINT)
