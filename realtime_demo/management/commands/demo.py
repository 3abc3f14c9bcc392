"""`manage.py demo`: the demo page with a running conversation, from a fresh checkout."""

from __future__ import annotations

import asyncio
import errno
import io
import ipaddress
import os
import signal
import socket
import webbrowser
from typing import Any

import segno
from django.conf import settings
from django.core.management import call_command
from django.core.management.base import CommandError, CommandParser
from django.db import DatabaseError, connection
from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop

from realtime_demo.asgi_servers import SERVERS, raise_open_files
from realtime_demo.demo.runner import DemoRunner
from realtime_demo.demo.state import FeedSettings
from realtime_demo.demo.supervisor import ChildFailed
from realtime_demo.web.views import DEFAULT_ROOM
from transports.command_line import TranslatedCommand
from transports.http.problems import Problem
from transports.http.request import check_room_name

ANYWHERE = {"0.0.0.0", "::"}
# Seconds between heartbeats: short, so that clients visibly detect a dead connection.
HEARTBEAT = "5"


class Command(TranslatedCommand):
    help = gettext_noop("Migrate, serve, open the page in a browser and publish a conversation.")

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--host", default="127.0.0.1", help=_("address to listen on (0.0.0.0: all interfaces)")
        )
        parser.add_argument(
            "--port", type=int, default=8000, help=_("port to listen on (0: any free port)")
        )
        parser.add_argument("--room", default=DEFAULT_ROOM, help=_("room of the conversation"))
        parser.add_argument(
            "--server",
            choices=sorted(SERVERS),
            default=settings.SERVER,
            help=_("the ASGI server (default: the environment variable SERVER, or uvicorn)"),
        )
        parser.add_argument("--no-browser", action="store_true", help=_("do not open a browser"))
        parser.add_argument(
            "--no-conversation", action="store_true", help=_("do not publish a conversation")
        )

    def handle(self, *args: Any, **options: Any) -> None:
        host, port = options["host"], options["port"]
        if not 0 <= port <= 65_535:
            raise CommandError(_("--port must be from 0 to 65535; got {port}.").format(port=port))
        try:
            check_room_name(options["room"])
        except Problem as problem:
            raise CommandError(
                _("--room: {detail} Got {room}.").format(
                    detail=problem.detail, room=repr(options["room"])
                )
            ) from problem
        feed = FeedSettings(running=not options["no_conversation"], room=options["room"])
        self.write(_("Preparing the database and starting the server …"))
        try:
            call_command("migrate", verbosity=0, interactive=False)
        except DatabaseError as error:
            raise CommandError(
                _("The database {name} cannot be used: {error}").format(
                    name=connection.settings_dict["NAME"], error=error
                )
            ) from error
        self.options = options
        try:
            asyncio.run(self.serve(host, port, feed))
        except OSError as error:
            raise CommandError(cannot_listen(host, port, error)) from error
        except ChildFailed as error:
            raise CommandError(str(error)) from error
        self.stdout.write(_("Stopped."))

    async def serve(self, host: str, port: int, feed: FeedSettings) -> None:
        raise_open_files(2 * settings.MAX_CONNECTIONS)  # the tap has both ends of each
        runner = DemoRunner(
            host,
            port,
            feed,
            environment=environment(host),
            server=self.options["server"],
            write=self.write,
            class_address=self.class_address,
        )
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, runner.stop)
        await runner.run(self.ready)

    def write(self, line: str) -> None:
        self.stdout.write(f"  {line}")
        self.stdout.flush()

    @property
    def query(self) -> str:
        room: str = self.options["room"]
        return "" if room == DEFAULT_ROOM else f"?room={room}"

    def class_address(self, port: int) -> str:
        """Return the URL for other devices in the network; empty on a loopback address."""
        host: str = self.options["host"]
        if is_loopback(host):
            return ""
        return url_of(own_address() if host in ANYWHERE else host, port) + self.query

    def ready(self, port: int) -> None:
        """Print the URL, and open the page; called in the event loop once it can be requested."""
        host: str = self.options["host"]
        url = url_of("127.0.0.1" if host in ANYWHERE else host, port) + self.query
        self.stdout.write(f"\n  Realtime Demo: {self.style.SUCCESS(url)}")
        if address := self.class_address(port):
            # The controls are accepted only from a loopback address.
            self.write(_("For others on your network: {address}").format(address=address))
            self.stdout.write(terminal_code(address))
        self.write(
            _("The history is in Redis. Ctrl-C stops the demo.")
            if settings.REDIS_URL
            else _("The history is in the server. Ctrl-C stops the demo.")
        )
        if not self.options["no_browser"]:
            asyncio.get_running_loop().run_in_executor(None, webbrowser.open, url)


def environment(host: str) -> dict[str, str]:
    """Return the environment variables for the demo's server."""
    variables = {
        "DEMO": "1",
        "HEARTBEAT": os.environ.get("HEARTBEAT", HEARTBEAT),
        "SECRET_KEY": settings.SECRET_KEY,  # so that a session outlives a restart
    }
    if not is_loopback(host):
        variables["ALLOWED_HOSTS"] = ",".join([*settings.ALLOWED_HOSTS, *names_of(host)])
    return variables


def cannot_listen(host: str, port: int, error: OSError) -> str:
    """Return an error message with a remedy."""
    if error.errno == errno.EADDRINUSE:
        command = "realtime-demo demo --port " if settings.IS_INSTALLED else "make demo PORT="
        return _(
            "The demo could not start on {address}: the port is in use. "
            "Choose another port: {command}"
        ).format(address=f"{host}:{port}", command=f"{command}{port + 1}")
    return _("The demo could not start on {address}: {reason}").format(
        address=f"{host}:{port}", reason=error.strerror or error
    )


def url_of(host: str, port: int) -> str:
    """Return the URL of the page, below the path where a proxy serves the project."""
    authority = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    return f"http://{authority}{settings.FORCE_SCRIPT_NAME or ''}/"


def is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def names_of(host: str) -> list[str]:
    """Return the host names and addresses of this machine for clients on the network."""
    name = socket.gethostname().lower()
    return [host, name, f"{name}.local", own_address()]


def own_address() -> str:
    """Return this machine's address in its network. Nothing is sent."""

    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))  # a documentation address (RFC 5737)
        except OSError:
            return "127.0.0.1"
        return str(probe.getsockname()[0])


def terminal_code(address: str) -> str:
    """Return the QR code of an address, as lines of block characters."""
    output = io.StringIO()
    segno.make_qr(address).terminal(output, border=2, compact=True)
    return output.getvalue()
