"""`manage.py demo`: one command from a fresh checkout to a living page."""

from __future__ import annotations

import asyncio
import ipaddress
import socket
import webbrowser
from typing import Any

from django.conf import settings
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError, CommandParser

ANYWHERE = {"0.0.0.0", "::"}


class Command(BaseCommand):
    help = "Migrate, serve, open the page in a browser and keep a conversation going."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--host", default="127.0.0.1", help="0.0.0.0: for a whole class")
        parser.add_argument("--port", type=int, default=8000, help="0: any that is free")
        parser.add_argument("--room", default="lobby", help="where the conversation is")
        parser.add_argument("--no-browser", action="store_true", help="do not open a browser")
        parser.add_argument(
            "--no-conversation", action="store_true", help="publish nothing by itself"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        # Importing the server installs Twisted's reactor, which other commands do without.
        from realtime_demo.server.cli import serve

        call_command("migrate", verbosity=0, interactive=False)
        settings.DEMO = True
        host: str = options["host"]
        if not is_loopback(host):
            settings.ALLOWED_HOSTS = [*settings.ALLOWED_HOSTS, *names_of(host)]
        from realtime_demo.asgi import application

        self.options = options
        if serve(application, host, options["port"], on_ready=self.ready):
            raise CommandError(
                f"The demo could not start on {host}:{options['port']}. If the port is in use, "
                f"choose another: make demo PORT={options['port'] + 1}"
            )
        self.stdout.write("Stopped.")

    def ready(self, url: str) -> None:
        """Called in the event loop as soon as the server listens at `url`."""
        from realtime_demo.conversation import converse

        if self.options["host"] in ANYWHERE:
            port = url.rstrip("/").rpartition(":")[2]
            url = f"http://{own_address()}:{port}/"
        feed = "Redis" if settings.REDIS_URL else "this process"
        self.stdout.write(f"\n  Realtime Demo: {self.style.SUCCESS(url)}")
        self.stdout.write(f"  The feed is kept in {feed}. Ctrl-C stops it.\n")
        self.stdout.flush()
        loop = asyncio.get_running_loop()
        if not self.options["no_conversation"]:
            self.conversation = loop.create_task(converse(self.options["room"]))
        if not self.options["no_browser"]:
            loop.run_in_executor(None, webbrowser.open, url)


def is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def names_of(host: str) -> list[str]:
    """The names under which others on the network may ask for this machine."""
    name = socket.gethostname().lower()
    return [host, name, f"{name}.local", own_address()]


def own_address() -> str:
    """This machine's address towards its network; nothing is sent to find it."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))  # a documentation address (RFC 5737)
        except OSError:
            return "127.0.0.1"
        return str(probe.getsockname()[0])
