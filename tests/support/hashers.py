"""A password hasher that costs the tests nothing, and that a live server can check."""

from __future__ import annotations

from django.contrib.auth.hashers import PBKDF2PasswordHasher


class OneIteration(PBKDF2PasswordHasher):
    """PBKDF2 with one iteration: the default's 1,000,000 take a server half a second."""

    iterations = 1
