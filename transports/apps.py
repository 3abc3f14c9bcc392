"""Django app of the parts that the techniques share."""

from django.apps import AppConfig
from django.core.checks import register


class TransportsConfig(AppConfig):
    name = "transports"

    def ready(self) -> None:
        from transports.checks import CHECKS

        for check in CHECKS:
            register(check)
