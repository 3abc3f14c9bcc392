"""Channels' `runworker`, with a worker that survives failures of its channel layer."""

from __future__ import annotations

import logging
from typing import Any

from channels.management.commands import runworker
from django.core.management.base import CommandError

from background.conf import conf
from background.consumers import channels
from background.worker import BackgroundWorker


class Command(runworker.Command):  # type: ignore[misc]
    help = "Run background tasks, until SIGTERM or SIGINT. The channel is 'background-tasks'."
    worker_class = BackgroundWorker

    def handle(self, *args: Any, **options: Any) -> None:
        names = sorted(channels.application_mapping)
        for name in options["channels"]:
            if name not in names:
                raise CommandError(f"A channel must be one of {', '.join(names)}; got {name!r}.")
        if not conf.REDIS_URL:
            # A separate worker would publish to a history in its own memory.
            raise CommandError(
                "A separate worker needs the servers' REDIS_URL; without Redis tasks run inside "
                "the server."
            )
        logging.basicConfig(level=logging.INFO, format="%(asctime)-15s %(levelname)-8s %(message)s")
        super().handle(*args, **options)
