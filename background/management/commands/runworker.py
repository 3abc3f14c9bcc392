"""Channels' `runworker`, with a worker that outlives its channel layer."""

from __future__ import annotations

import logging
from typing import Any

from channels.management.commands import runworker

from background.worker import BackgroundWorker


class Command(runworker.Command):  # type: ignore[misc]
    worker_class = BackgroundWorker

    def handle(self, *args: Any, **options: Any) -> None:
        logging.basicConfig(level=logging.INFO, format="%(asctime)-15s %(levelname)-8s %(message)s")
        super().handle(*args, **options)
