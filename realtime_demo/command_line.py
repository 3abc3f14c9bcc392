"""Arguments of the commands: their types, and command lines to suggest.

Each message of an argument type says what was expected and what came.
"""

from __future__ import annotations

import argparse
import math
import os
from collections.abc import Callable
from pathlib import Path

from django.utils.translation import gettext as _

from realtime_demo.installation import IS_INSTALLED


def at_least(least: float) -> Callable[[str], float]:
    """Return a type for argparse: a finite number, `least` or more."""

    def number(text: str) -> float:
        try:
            value = float(text)
        except ValueError:
            value = math.nan
        if not least <= value < math.inf:
            raise argparse.ArgumentTypeError(
                _("expected a number, at least {least}; got {text}").format(
                    least=f"{least:g}", text=repr(text)
                )
            )
        return value

    return number


def command_line(arguments: str) -> str:
    """Return the line that runs a command here: in a clone, or by the installed package."""
    return f"{'realtime-demo' if IS_INSTALLED else 'python manage.py'} {arguments}"


def output_directory(text: str) -> Path:
    """Return the path of a directory that can be written: a type for argparse."""
    path = Path(text).absolute()
    if not path.is_dir() or not os.access(path, os.W_OK):
        raise argparse.ArgumentTypeError(
            _("expected an existing directory to write to; got {text}").format(text=repr(text))
        )
    return path


def output_file(text: str) -> Path:
    """Return the path of a file that can be written: a type for argparse.

    It is checked before the run, whose figures would be lost.
    """
    path = Path(text).absolute()
    if not text or path.is_dir():
        raise argparse.ArgumentTypeError(
            _("expected a file to write; got {text}").format(text=repr(text))
        )
    if not path.parent.is_dir():
        raise argparse.ArgumentTypeError(
            _("expected an existing directory; got {parent}").format(parent=path.parent)
        )
    if not os.access(path if path.exists() else path.parent, os.W_OK):
        raise argparse.ArgumentTypeError(
            _("expected a file to write; no permission for {path}").format(path=path)
        )
    return path
