"""Channels' `runworker`, with a worker that survives failures of its channel layer."""

from __future__ import annotations

import logging
from typing import Any

from channels.management.commands import runworker
from django.conf import settings
from django.core.management.base import CommandError
from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop

from background.conf import conf
from background.consumers import channels
from background.worker import BackgroundWorker
from transports.command_line import TranslatedCommand


class Command(TranslatedCommand, runworker.Command):  # type: ignore[misc]
    help = gettext_noop(
        "Run background tasks, until SIGTERM or SIGINT. The channel is 'background-tasks'."
    )
    worker_class = BackgroundWorker

    def handle(self, *args: Any, **options: Any) -> None:
        names = sorted(channels.application_mapping)
        for name in options["channels"]:
            if name not in names:
                raise CommandError(
                    _("A channel must be one of {names}; got {name}.").format(
                        names=", ".join(names), name=repr(name)
                    )
                )
        if options["layer"] not in settings.CHANNEL_LAYERS:
            raise CommandError(
                _("--layer must be one of {names}; got {name}.").format(
                    names=", ".join(settings.CHANNEL_LAYERS), name=repr(options["layer"])
                )
            )
        if not conf.REDIS_URL:
            # A separate worker would publish to a history in its own memory.
            raise CommandError(
                _(
                    "A separate worker needs the servers' REDIS_URL; without Redis tasks run "
                    "inside the server."
                )
            )
        logging.basicConfig(level=logging.INFO, format="%(asctime)-15s %(levelname)-8s %(message)s")
        super().handle(*args, **options)
