"""An app of its own, for the tokens' table and the `token` command."""

from django.apps import AppConfig


class AccessConfig(AppConfig):
    name = "transports.auth"
    # Not the folder's name: `django.contrib.auth` has the label "auth", and databases know the
    # table and its migrations by "access".
    label = "access"
