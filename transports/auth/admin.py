"""Admin of tokens: issued once, listed, and revoked by deletion."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django import forms
from django.conf import settings
from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from transports.auth import tokens
from transports.auth.models import Token

DEFAULT_LIFETIME = timedelta(days=30)


class TokenForm(forms.ModelForm):  # type: ignore[type-arg]
    class Meta:
        model = Token
        fields = ("user", "note", "expires_at")

    def clean_expires_at(self) -> Any:
        expires_at = self.cleaned_data["expires_at"]
        if expires_at <= timezone.now():
            raise forms.ValidationError(_("The expiry must be in the future."))
        return expires_at


@admin.register(Token)
class TokenAdmin(admin.ModelAdmin):  # type: ignore[type-arg]
    form = TokenForm
    list_display = ("id", "user", "note", "issued_at", "expires_at")
    list_select_related = ("user",)
    raw_id_fields = ("user",)
    search_fields = ("note",)

    def has_change_permission(self, request: HttpRequest, obj: Token | None = None) -> bool:
        return False

    def get_changeform_initial_data(self, request: HttpRequest) -> dict[str, Any]:
        # Whole seconds: the form has no fractions, and the token contains the expiry.
        expires_at = (timezone.now() + DEFAULT_LIFETIME).replace(microsecond=0)
        return {"expires_at": expires_at, **super().get_changeform_initial_data(request)}

    def response_add(
        self, request: HttpRequest, obj: Token, post_url_continue: str | None = None
    ) -> HttpResponse:
        """Show the token, which is not stored, in the response itself."""
        context = {
            **self.admin_site.each_context(request),
            "title": _("The token is shown only once"),
            "opts": self.opts,
            "token": tokens.write(obj.id, obj.expires_at),
            "row": obj,
            "ends_with_server": getattr(settings, "SECRET_KEY_IS_RANDOM", False),
        }
        return TemplateResponse(request, "admin/access/token/issued.html", context)
