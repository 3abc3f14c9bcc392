"""Admin of tasks: their state, with actions to retry and to cancel."""

from __future__ import annotations

from typing import Any

from django.contrib import admin, messages
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext

from .models import Task, TaskQuerySet


@admin.register(Task)
class TaskAdmin(admin.ModelAdmin):  # type: ignore[type-arg]
    list_display = ("id", "kind", "status", "attempts", "progress", "worker", "created_at")
    list_filter = ("status", "kind")
    ordering = ("-created_at",)
    actions = ("retry", "cancel")

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Task | None = None) -> bool:
        # The list's actions need the permission; the form shows each task read-only.
        return obj is None and super().has_change_permission(request, obj)

    @admin.action(description=_("Retry the failed tasks"), permissions=["change"])
    def retry(self, request: HttpRequest, queryset: TaskQuerySet) -> None:
        self._report(request, queryset.retry())

    @admin.action(description=_("Cancel the unfinished tasks"), permissions=["change"])
    def cancel(self, request: HttpRequest, queryset: TaskQuerySet) -> None:
        self._report(request, queryset.cancel())

    def _report(self, request: HttpRequest, count: int) -> None:
        message: Any = ngettext("%(count)d task changed.", "%(count)d tasks changed.", count)
        self.message_user(request, message % {"count": count}, messages.SUCCESS)
