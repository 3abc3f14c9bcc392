"""The rule for private rooms in docs/access.md, as a module that `MAY_ENTER` can name."""

import re

from .program import ROOT

exec(re.findall(r"```py\n(.*?)```", (ROOT / "docs/access.md").read_text(), re.S)[0])
