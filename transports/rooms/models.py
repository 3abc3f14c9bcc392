"""Table of the rooms that have a title or are for staff."""

from __future__ import annotations

from django.core.exceptions import ValidationError
from django.db import models
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from transports.events import ROOM_NAME
from transports.http.request import NO_ROOM


def validate_name(name: str) -> None:
    """Raise `ValidationError` unless `name` is a valid name of a room."""
    if not ROOM_NAME.fullmatch(name):
        raise ValidationError(gettext(NO_ROOM))


class Room(models.Model):
    """A room's title, and whether only staff may enter it."""

    name = models.CharField(_("name"), max_length=64, unique=True, validators=[validate_name])
    title = models.CharField(_("title"), max_length=100, blank=True)
    staff_only = models.BooleanField(_("for staff only"), default=False)

    class Meta:
        ordering = ["name"]
        verbose_name = _("room")
        verbose_name_plural = _("rooms")

    def __str__(self) -> str:
        return self.title or self.name
