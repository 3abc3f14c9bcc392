"""Daphne's `runserver`, with this project's server and its orderly stop."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from typing import Any

from daphne.management.commands import runserver
from django.conf import settings
from django.core.management.base import CommandParser
from django.utils import autoreload

from realtime_demo.server.cli import limits
from realtime_demo.server.core import EXITING, Server
from realtime_demo.server.signals import STOPPING, StopSignals

RELOAD = 3  # the exit code by which Django's autoreloader asks to be started again


class Command(runserver.Command):  # type: ignore[misc]
    server: Server | None = None

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.set_defaults(
            websocket_max_message_size=settings.BODY_SIZE,
            websocket_max_frame_size=settings.BODY_SIZE,
        )

    def run(self, **options: Any) -> None:
        """Run the server: here, or with the autoreloader in a child that is started again."""
        if not options["use_reloader"]:
            super().run(**options)
        elif os.environ.get(autoreload.DJANGO_AUTORELOAD_ENV) != "true":
            sys.exit(supervise())
        else:
            self.stopped = threading.Event()
            StopSignals(_interrupt).install()  # SIGTERM is then taken over by Django
            try:
                # The server runs in a thread, and this one, which watches the files, ends by
                # SystemExit (files changed, SIGTERM) or returns (SIGINT).
                super().run(**options)
            finally:
                if self.server:
                    self.server.stop()
                    self.stopped.wait(EXITING)

    def inner_run(self, *args: Any, **options: Any) -> None:
        super().inner_run(*args, **options)
        if self.server and self.server.abort_start:
            if options["use_reloader"]:
                sys.stderr.flush()
                os._exit(1)  # as Django does: sys.exit() would end no more than this thread
            sys.exit(1)
        if options["use_reloader"]:
            self.stopped.set()

    def server_cls(self, **options: Any) -> Server:
        self.server = server = Server(**limits(), **options)
        server.ready_callable = lambda: self.stdout.write(f"Listening on {server.urls[0]}")
        return server


def supervise() -> int:
    """Run the child that serves, again after each change; return its exit code.

    Django's own version kills the child a quarter of a second after Ctrl-C. This one passes
    the signal on and waits for the child to stop in order.
    """
    child: subprocess.Popen[bytes] | None = None
    stopping = False

    def pass_on(number: int, frame: Any) -> None:
        nonlocal stopping
        stopping = True
        if child:
            child.send_signal(number)

    for number in STOPPING:
        signal.signal(number, pass_on)
    environment = {**os.environ, autoreload.DJANGO_AUTORELOAD_ENV: "true"}
    code = RELOAD
    while code == RELOAD and not stopping:
        child = subprocess.Popen(autoreload.get_child_arguments(), env=environment)
        code = child.wait()
    return 0 if code == RELOAD else code


def _interrupt(number: int) -> None:
    raise KeyboardInterrupt
