"""The contract suite: every technique, over a live server, and over both histories.

A test of HTTP or of frames alone runs over one history.

`SERVER_URL=http://host:port pytest tests/contract` runs it against any other server of the
same wire contract.
"""

from __future__ import annotations

import pytest

from tests.conftest import HISTORIES

# For tests of what does not depend on the history.
one_history = pytest.mark.parametrize("history", HISTORIES[:1], indirect=True)
