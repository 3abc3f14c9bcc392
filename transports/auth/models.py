"""The tokens that are in force. One that is revoked is simply no longer here."""

from __future__ import annotations

import uuid

from django.conf import settings
from django.db import models


class Token(models.Model):
    """What makes a signed token good: its row. The token itself is not kept anywhere."""

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
