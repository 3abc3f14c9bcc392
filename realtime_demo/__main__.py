"""The command line of the installed package: `realtime-demo demo`, `realtime-demo doctor URL`, …

It runs the commands of manage.py in any directory, with the demo's settings.
"""

from __future__ import annotations

import os
import shlex
import sys
from importlib.metadata import version
from importlib.util import find_spec

# What every command imports, all from the extra `compare`, which `demo` contains.
NEEDED = ("httpx", "pygments", "rich", "uvicorn", "websockets")


def main() -> None:
    if sys.argv[1:] == ["--version"]:
        print(f"realtime-demo {version('realtime-demo')}")
        return
    if missing := [name for name in NEEDED if find_spec(name) is None]:
        command = shlex.join(["realtime-demo", *sys.argv[1:]])
        sys.exit(
            f"Missing: {', '.join(missing)}. The commands need the extra 'demo': "
            f"uvx --from 'realtime-demo[demo]' {command}, or pip install 'realtime-demo[demo]'."
        )
    from django.core.exceptions import ImproperlyConfigured
    from django.core.management import execute_from_command_line

    os.environ["DJANGO_SETTINGS_MODULE"] = "realtime_demo.settings"
    try:
        execute_from_command_line(["realtime-demo", *sys.argv[1:]])
    except ImproperlyConfigured as error:
        sys.exit(f"Error in the settings: {error}")


if __name__ == "__main__":
    main()
