"""Django app for the tokens' table and the `token` command."""

from django.apps import AppConfig


class AccessConfig(AppConfig):
    name = "transports.auth"
    # Not the folder's name: `django.contrib.auth` has the label "auth", and existing databases
    # have the table and its migrations under "access".
    label = "access"
