"""Admin of rooms."""

from django.contrib import admin

from transports.rooms.models import Room


@admin.register(Room)
class RoomAdmin(admin.ModelAdmin):  # type: ignore[type-arg]
    list_display = ("name", "title", "staff_only")
    list_editable = ("title", "staff_only")
    list_filter = ("staff_only",)
    search_fields = ("name", "title")
