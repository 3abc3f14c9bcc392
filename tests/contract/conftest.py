"""The contract suite: every technique, over every history, over a live server.

`SERVER_URL=http://host:port pytest tests/contract` runs it against any other server of the
same wire contract.
"""

from __future__ import annotations

import pytest

from transports.registry import TECHNIQUES, Technique


@pytest.fixture(params=TECHNIQUES, ids=lambda technique: technique.name)
def technique(request: pytest.FixtureRequest) -> Technique:
    found: Technique = request.param
    return found
