"""The virtual environment of the peers, made on first use from `requirements/peers.lock`."""

from __future__ import annotations

import fcntl
import re
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
LOCK = ROOT / "requirements" / "peers.lock"
DIRECTORY = ROOT / "build" / "peers"
STAMP = DIRECTORY / "installed.lock"  # the lock that the environment was made from


class NotInstalled(Exception):
    """The environment could not be made."""


def python() -> str:
    """Return the path of the environment's Python. Raises `NotInstalled`."""
    DIRECTORY.parent.mkdir(exist_ok=True)
    with DIRECTORY.with_suffix(".mutex").open("w") as mutex:
        fcntl.flock(mutex, fcntl.LOCK_EX)
        if not STAMP.exists() or STAMP.read_bytes() != LOCK.read_bytes():
            _install()
    return str(DIRECTORY / "bin" / "python")


def versions() -> dict[str, str]:
    """Return the locked version of each package."""
    return dict(re.findall(r"^([\w.-]+)==(\S+)", LOCK.read_text(), re.MULTILINE))


def _install() -> None:
    print(f"Installing the peers into {DIRECTORY.relative_to(ROOT)} …", file=sys.stderr)
    # With the pip of the running Python: installing a second pip takes seconds.
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--python", str(DIRECTORY)]
    options = ["-qq", "--no-deps", "--require-hashes"]
    commands = (
        [sys.executable, "-m", "venv", "--without-pip", "--clear", str(DIRECTORY)],
        [*pip, "install", *options, "-r", str(LOCK)],
    )
    try:
        for command in commands:
            subprocess.run(command, check=True, capture_output=True, text=True)
    except subprocess.CalledProcessError as error:
        raise NotInstalled(f"The peers could not be installed.\n{error.stderr}") from error
    shutil.copyfile(LOCK, STAMP)
