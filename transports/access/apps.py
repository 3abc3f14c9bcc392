"""An app of its own, for the tokens' table and the `token` command."""

from django.apps import AppConfig


class AccessConfig(AppConfig):
    name = "transports.access"
    label = "access"
