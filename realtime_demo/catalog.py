"""The catalog of messages for the standard library's gettext.

It serves where Django's translations are not available: in the settings, in argparse, and in the
processes of `realtime_demo.comparison.workers`. The language is that of LANGUAGE, which the
commands set, or of LC_ALL, LC_MESSAGES or LANG.
"""

from __future__ import annotations

from gettext import bindtextdomain, textdomain
from pathlib import Path

PACKAGE = Path(__file__).resolve().parent
IS_INSTALLED = not (PACKAGE.parent / "manage.py").exists()  # as a package, rather than a clone
LOCALE = (PACKAGE if IS_INSTALLED else PACKAGE.parent) / "locale"


def use() -> None:
    """Let the standard library's gettext take its messages from this project's catalog."""
    bindtextdomain("django", str(LOCALE))
    textdomain("django")
