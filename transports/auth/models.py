"""Tables of the valid tokens, and of the processes that sign sessions and tokens.

Revoking a token deletes its row.
"""

from __future__ import annotations

import uuid

from django.conf import settings
from django.db import models


class Token(models.Model):
    """The row of a valid token. The token itself is not stored."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="tokens"
    )
    note = models.CharField(max_length=100, blank=True)
    issued_at = models.DateTimeField(auto_now_add=True)
    expires_at = models.DateTimeField()

    class Meta:
        ordering = ["issued_at"]

    def __str__(self) -> str:
        return str(self.id)


class Process(models.Model):
    """The last report of a process to `transports.operations.agreement`."""

    id = models.CharField(primary_key=True, max_length=12, editable=False)
    report = models.JSONField()

    def __str__(self) -> str:
        return str(self.report["name"])
