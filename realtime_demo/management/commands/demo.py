"""`manage.py demo`: one command from a fresh checkout to a living page."""

from __future__ import annotations

import asyncio
import errno
import ipaddress
import os
import signal
import socket
import webbrowser
from types import SimpleNamespace
from typing import Any

from django.conf import settings
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError, CommandParser

from realtime_demo.open_files import raise_open_files
from realtime_demo.server import SERVERS
from realtime_demo.stage.parent import Stage
from realtime_demo.stage.settings import Feed
from realtime_demo.stage.supervisor import ServerFailed
from transports.auth.permissions import check_room
from transports.http.problems import Refusal

ANYWHERE = {"0.0.0.0", "::"}
# Seconds between signs of life: a class is to see a dead connection noticed.
HEARTBEAT = "5"


class Command(BaseCommand):
    help = "Migrate, serve, open the page in a browser and keep a conversation going."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--host", default="127.0.0.1", help="0.0.0.0: for a whole class")
        parser.add_argument("--port", type=int, default=8000, help="0: any that is free")
        parser.add_argument("--room", default="lobby", help="where the conversation is")
        parser.add_argument(
            "--server",
            choices=sorted(SERVERS),
            default=settings.SERVER,
            help="the ASGI server (default: the environment variable SERVER, or uvicorn)",
        )
        parser.add_argument("--no-browser", action="store_true", help="do not open a browser")
        parser.add_argument(
            "--no-conversation", action="store_true", help="publish nothing by itself"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        host, port = options["host"], options["port"]
        if not 0 <= port <= 65_535:
            raise CommandError(f"A port is a number from 0 to 65535; got {port}.")
        try:
            check_room(options["room"], SimpleNamespace(is_staff=True))
        except Refusal as refusal:
            raise CommandError(refusal.detail) from refusal
        feed = Feed(running=not options["no_conversation"], room=options["room"])
        call_command("migrate", verbosity=0, interactive=False)
        self.options = options
        try:
            asyncio.run(self.serve(host, port, feed))
        except OSError as error:
            raise CommandError(cannot_listen(host, port, error)) from error
        except ServerFailed as error:
            raise CommandError(str(error)) from error
        self.stdout.write("Stopped.")

    async def serve(self, host: str, port: int, feed: Feed) -> None:
        raise_open_files(settings.MAX_CONNECTIONS)  # the tap has both ends of each connection
        stage = Stage(
            host,
            port,
            feed,
            environment=environment(host),
            server=self.options["server"],
            say=self.say,
        )
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, stage.stop)
        await stage.run(self.ready)

    def say(self, line: str) -> None:
        self.stdout.write(f"  {line}")
        self.stdout.flush()

    def ready(self, port: int) -> None:
        """Called in the event loop as soon as the page can be asked for."""
        host: str = self.options["host"]
        url = url_of("127.0.0.1" if host in ANYWHERE else host, port)
        feed = "Redis" if settings.REDIS_URL else "the server"
        self.stdout.write(f"\n  Realtime Demo: {self.style.SUCCESS(url)}")
        if host in ANYWHERE:
            # The controls are for this machine alone, which a loopback address shows it is.
            self.say(f"For others on your network: {url_of(own_address(), port)}")
        self.say(f"The feed is kept in {feed}. Ctrl-C stops it.")
        if not self.options["no_browser"]:
            asyncio.get_running_loop().run_in_executor(None, webbrowser.open, url)


def environment(host: str) -> dict[str, str]:
    """What the server of the demo is told."""
    told = {
        "DEMO": "1",
        "HEARTBEAT": os.environ.get("HEARTBEAT", HEARTBEAT),
        "SECRET_KEY": settings.SECRET_KEY,  # so that a session outlives a restart
    }
    if not is_loopback(host):
        told["ALLOWED_HOSTS"] = ",".join([*settings.ALLOWED_HOSTS, *names_of(host)])
    return told


def cannot_listen(host: str, port: int, error: OSError) -> str:
    """What is wrong, and what to do about it."""
    if error.errno == errno.EADDRINUSE:
        return (
            f"The demo could not start on {host}:{port}: it is in use. "
            f"Choose another port: make demo PORT={port + 1}"
        )
    return f"The demo could not start on {host}:{port}: {error.strerror or error}"


def url_of(host: str, port: int) -> str:
    return f"http://[{host}]:{port}/" if ":" in host else f"http://{host}:{port}/"


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
