"""This installation, a clone or a package: its catalog of messages, and secrets kept in files.

The standard library's gettext serves where Django's translations are not available: in the
settings, in argparse, and in the processes of `realtime_demo.comparison.workers`. The language is
that of LANGUAGE, which the commands set, or of LC_ALL, LC_MESSAGES or LANG.
"""

from __future__ import annotations

import os
import secrets
from contextlib import suppress
from gettext import bindtextdomain, textdomain
from pathlib import Path

PACKAGE = Path(__file__).resolve().parent
IS_INSTALLED = not (PACKAGE.parent / "manage.py").exists()  # as a package, rather than a clone
LOCALE = (PACKAGE if IS_INSTALLED else PACKAGE.parent) / "locale"


def use_catalog() -> None:
    """Let the standard library's gettext take its messages from this project's catalog."""
    bindtextdomain("django", str(LOCALE))
    textdomain("django")


def kept_secret(path: Path) -> str:
    """Return the secret in the file `path`, which is created readable by its owner alone.

    Raises `OSError` if the file cannot be written or read.
    """
    if not path.exists() or not path.read_text().strip():  # empty after a full disk
        path.unlink(missing_ok=True)
        with (
            suppress(FileExistsError),  # another process has created it
            open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file,
        ):
            file.write(secrets.token_urlsafe(50))
    return path.read_text().strip()
