"""Channels' `runworker`, with a worker that outlives its channel layer."""

from __future__ import annotations

import logging
from typing import Any

from channels.management.commands import runworker
from django.conf import settings
from django.core.management.base import CommandError

from background.worker import BackgroundWorker


class Command(runworker.Command):  # type: ignore[misc]
    worker_class = BackgroundWorker

    def handle(self, *args: Any, **options: Any) -> None:
        if not settings.REDIS_URL:
            # It would claim tasks, and publish in a history that nobody but itself can read.
            raise CommandError(
                "A worker of its own needs REDIS_URL, the servers' one; without Redis tasks run "
                "inside the server."
            )
        logging.basicConfig(level=logging.INFO, format="%(asctime)-15s %(levelname)-8s %(message)s")
        super().handle(*args, **options)
