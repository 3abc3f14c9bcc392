"""The command line of the installed package: `realtime-demo demo`, `realtime-demo doctor URL`, …

It runs the commands of manage.py in any directory, with the demo's settings.
"""

from __future__ import annotations

import os
import shlex
import sys
from gettext import gettext as _
from importlib.metadata import version
from importlib.util import find_spec

from realtime_demo.installation import use_catalog

# What every command imports, all from the extra `compare`, which `demo` contains.
NEEDED = ("httpx", "pygments", "rich", "uvicorn", "websockets")


def main() -> None:
    if sys.argv[1:] == ["--version"]:
        print(f"realtime-demo {version('realtime-demo')}")
        return
    use_catalog()
    if missing := [name for name in NEEDED if find_spec(name) is None]:
        text = _(
            "Missing: {names}. The commands need the extra 'demo': uvx --from "
            "'realtime-demo[demo]' {command}, or pip install 'realtime-demo[demo]'."
        )
        command = shlex.join(["realtime-demo", *sys.argv[1:]])
        sys.exit(text.format(names=", ".join(missing), command=command))
    os.environ["DJANGO_SETTINGS_MODULE"] = "realtime_demo.settings"
    run(["realtime-demo", *sys.argv[1:]])


def run(arguments: list[str]) -> None:
    """Run Django's command line; print an error in the settings without a traceback."""
    from django.core.exceptions import ImproperlyConfigured
    from django.core.management import execute_from_command_line

    use_catalog()
    try:
        execute_from_command_line(arguments)
    except ImproperlyConfigured as error:
        sys.exit(_("Error in the settings: {error}").format(error=error))


if __name__ == "__main__":
    main()
