"""Functions for `MAY_ENTER`: the one of docs/access.md, and one that queries the database."""

import re
from typing import Any

from .program import ROOT

exec(re.findall(r"```py\n(.*?)```", (ROOT / "docs/access.md").read_text(), re.S)[0])


def is_member(user: Any, room: str, action: str) -> bool:
    """Return whether the user is in the group of the room's name."""
    return bool(user.is_authenticated and user.groups.filter(name=room).exists())
