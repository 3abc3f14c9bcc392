"""`manage.py production`: nginx, servers, worker and Redis, side by side on this machine."""

from __future__ import annotations

import os
import shlex
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from realtime_demo import server
from realtime_demo.production import certificate, configuration, programs
from realtime_demo.production.keep import command_line
from realtime_demo.production.layout import Layout
from realtime_demo.production.owner import Owned, owned

STOPPING = 20  # seconds after which what has not stopped is killed
INTERRUPTED = (130, 143)  # what honcho returns after Ctrl-C, and after SIGTERM


class Command(BaseCommand):
    help = "Run nginx (HTTPS, HTTP/2), several servers, a worker and Redis. Ctrl-C stops them."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--host", default="127.0.0.1", help="the address nginx listens on")
        parser.add_argument("--port", type=int, default=8443, help="the port of HTTPS")
        parser.add_argument(
            "--metrics-port", type=int, default=9180, help="on 127.0.0.1; 0: no metrics"
        )
        parser.add_argument("--servers", type=int, default=2, help="processes that serve")
        parser.add_argument("--workers", type=int, default=1, help="background workers")
        parser.add_argument(
            "--directory",
            type=Path,
            default=Path(settings.BASE_DIR) / "build" / "production",
            help="where everything generated goes, and the data",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            from honcho import manager

            from realtime_demo.production.parts import Parts
        except ImportError as error:
            raise CommandError("Honcho is missing; 'make install' installs it.") from error
        manager.KILL_WAIT = STOPPING
        for name, least in (("port", 1), ("metrics_port", 0), ("servers", 1), ("workers", 0)):
            if options[name] < least:
                option = name.replace("_", "-")
                raise CommandError(f"--{option} is at least {least}; got {options[name]}.")

        layout = Layout(
            directory=options["directory"].absolute(),
            host=options["host"],
            port=options["port"],
            metrics_port=options["metrics_port"],
            servers=options["servers"],
            redis_url=settings.REDIS_URL,
        )
        try:
            layout.make_directories()
        except OSError as error:
            raise CommandError(f"{layout.directory} cannot be made: {error}") from error
        try:
            with owned(layout.run):
                self.run(layout, options["workers"], Parts)
        except Owned as error:
            raise CommandError(
                f"A production runs in {layout.directory} already, or is about to end; "
                "another one needs a --directory and ports of its own."
            ) from error
        except KeyboardInterrupt:
            pass
        self.stdout.write("Stopped.")

    def run(self, layout: Layout, workers: int, manager: type[Any]) -> None:
        """Prepare it, and run it until it is interrupted. Raises `CommandError`."""
        check_free(layout.host, layout.port, f"make production HTTPS_PORT={layout.port + 1}")
        if layout.metrics_port:
            instead = f'make production ARGS="--metrics-port {layout.metrics_port + 1}"'
            check_free("127.0.0.1", layout.metrics_port, instead)
        layout.clear()
        environment = {**os.environ, **layout.environment()}
        commands = self.prepare(layout, workers)
        for arguments in (["migrate"], ["collectstatic", "--no-input"]):
            manage = [sys.executable, "manage.py", *arguments, "--verbosity", "0"]
            try:  # in a session of its own: of Ctrl-C we tell it ourselves
                subprocess.run(
                    manage,
                    cwd=settings.BASE_DIR,
                    env=environment,
                    check=True,
                    start_new_session=True,
                )
            except subprocess.CalledProcessError as error:
                raise CommandError(f"manage.py {arguments[0]} failed: see above.") from error
        running = manager()
        for name, command in commands.items():
            running.add_process(name, command, env=environment, cwd=str(settings.BASE_DIR))
        self.stdout.write(f"Starting {', '.join(commands)} in {layout.directory}")
        self.stdout.flush()
        running.loop()
        if running.returncode not in INTERRUPTED:
            raise CommandError(f"It ended by itself (code {running.returncode}): see above.")

    def prepare(self, layout: Layout, workers: int) -> dict[str, str]:
        """Write the configuration; return each process's shell command, by name.

        They stop in the order of their `after`: the servers first, which tell their clients;
        then nginx, through which they do; then Redis.
        """
        try:
            nginx = programs.nginx()
            redis = "" if layout.redis_url else programs.redis_server()
        except programs.Missing as error:
            raise CommandError(str(error)) from error
        certificate.ensure(layout.certificate, layout.key, layout.host)
        version = programs.nginx_version(nginx)
        layout.nginx_conf.write_text(configuration.nginx(layout, version))
        working = ["worker"] if workers == 1 else [f"worker-{n}" for n in range(workers)]
        python = sys.executable
        kept: dict[str, tuple[list[str], list[str]]] = {}  # command, after
        if redis:
            layout.redis_conf.write_text(configuration.redis(layout))
            kept["redis"] = [redis, str(layout.redis_conf)], [*layout.names, *working]
        for name in layout.names:
            kept[name] = server.command(settings.SERVER, uds=str(layout.socket(name))), []
        for name in working:
            kept[name] = [python, "manage.py", "runworker", "background-tasks"], []
        conf, prefix = str(layout.nginx_conf), str(layout.directory / "nginx")
        kept["nginx"] = [nginx, "-e", "stderr", "-p", prefix, "-c", conf], layout.names
        commands = {
            name: command_line(name, command, layout.run, after)
            for name, (command, after) in kept.items()
        }
        watch = [python, "-m", "realtime_demo.production.watch"]
        watched = [layout.url, str(layout.certificate), str(layout.run)]
        commands["watch"] = "exec " + shlex.join([*watch, *watched])
        return commands


def check_free(host: str, port: int, instead: str) -> None:
    """Raise `CommandError` where nobody can listen there, and say what may be done `instead`."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except (OSError, OverflowError) as error:
            why = error.strerror if isinstance(error, OSError) else error
            raise CommandError(f"Cannot listen on {host}:{port} ({why}); try {instead}") from error
