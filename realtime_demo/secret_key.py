"""The secret key that is kept in a file."""

from __future__ import annotations

import os
import secrets
from contextlib import suppress
from pathlib import Path


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
