"""`manage.py production`: nginx, servers, workers and Redis on this machine."""

from __future__ import annotations

import os
import re
import secrets
import signal
import socket
import subprocess
import sys
import threading
import time
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path
from types import FrameType
from typing import Any

from django.conf import settings
from django.core.management.base import CommandError, CommandParser
from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop

from realtime_demo.asgi_servers import command
from realtime_demo.command_line import command_line
from realtime_demo.ports import CLUSTER_BUS
from realtime_demo.production import certificate, cluster, configuration, programs
from realtime_demo.production.paths import NODES, Paths
from transports.command_line import TranslatedCommand

PAUSE = 0.5  # seconds between checks of supervisord and for signals

Commands = dict[str, list[str]]


class Command(TranslatedCommand):
    help = gettext_noop("Run nginx (HTTPS, HTTP/2), servers, workers and Redis. Ctrl-C stops them.")

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--host", default="127.0.0.1", help=_("address that nginx listens on"))
        parser.add_argument("--port", type=int, default=8443, help=_("port of HTTPS"))
        parser.add_argument(
            "--metrics-port",
            type=int,
            default=9180,
            help=_("port of the metrics on 127.0.0.1 (0: no metrics)"),
        )
        parser.add_argument("--servers", type=int, default=2, help=_("number of servers"))
        parser.add_argument(
            "--workers", type=int, default=1, help=_("number of background workers")
        )
        parser.add_argument(
            "--cluster",
            action="store_true",
            help=_("run a Redis Cluster of three masters and three replicas"),
        )
        parser.add_argument(
            "--cluster-port",
            type=int,
            default=7100,
            help=_("first of its six ports on 127.0.0.1; each node also uses its port + 10000"),
        )
        parser.add_argument(
            "--directory",
            type=Path,
            default=settings.DATA_DIR / "build" / "production",
            help=_("directory of the generated files and the data"),
        )

    def handle(self, *args: Any, **options: Any) -> None:
        if find_spec("supervisor") is None:
            raise CommandError(
                _("{name} is missing; to install it: {install}").format(
                    name="supervisor",
                    install="pip install 'realtime-demo[production]'"
                    if settings.IS_INSTALLED
                    else "make install",
                )
            )
        for option, least, most in (
            ("port", 1, 65_535),
            ("metrics-port", 0, 65_535),
            ("servers", 1, 1_000),
            ("workers", 0, 1_000),
            ("cluster-port", 1, 65_535 - CLUSTER_BUS - NODES),
        ):
            value = options[option.replace("-", "_")]
            if not least <= value <= most:
                raise CommandError(
                    _("--{option} must be from {least} to {most}; got {value}.").format(
                        option=option, least=least, most=most, value=value
                    )
                )
        if options["cluster"] and settings.REDIS_URL:
            raise CommandError(_("--cluster starts a Redis of its own: unset REDIS_URL."))
        paths = Paths(
            directory=options["directory"].absolute(),
            host=options["host"],
            port=options["port"],
            metrics_port=options["metrics_port"],
            servers=options["servers"],
            redis_url=settings.REDIS_URL,
            cluster_port=options["cluster_port"] if options["cluster"] else 0,
        )
        try:
            paths.make_directories()
        except OSError as error:
            raise CommandError(
                _("--directory: cannot create {directory}: {strerror}.").format(
                    directory=paths.directory, strerror=error.strerror
                )
            ) from error

        # Set a variable instead of raising an exception, so that a signal interrupts no step.
        self.interrupted = False
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, self.interrupt)
        from realtime_demo.production.supervisord import AlreadyRunning, instance_lock

        try:
            with instance_lock(paths) as lock:
                self.run(paths, options["workers"], lock)
        except AlreadyRunning as error:
            raise CommandError(
                _(
                    "A production already runs in {directory}, or is still stopping. Another one "
                    "needs its own --directory and ports."
                ).format(directory=paths.directory)
            ) from error
        self.write(_("Stopped."))

    def interrupt(self, number: int, frame: FrameType | None) -> None:
        self.interrupted = True

    def write(self, line: str) -> None:
        """Print a line, unless the terminal was closed."""
        with suppress(OSError, ValueError):
            self.stdout.write(line)
            self.stdout.flush()

    def run(self, paths: Paths, workers: int, lock: int) -> None:
        """Prepare the production, and run it until a signal. Raises `CommandError`."""
        from realtime_demo.production.supervisord import Supervisord

        check_free(paths.host, paths.port, production(f"--port {paths.port + 1}"))
        if paths.metrics_port:
            instead = production(f"--metrics-port {paths.metrics_port + 1}")
            check_free("127.0.0.1", paths.metrics_port, instead)
        for host, port in paths.cluster:
            instead = production(f"--cluster --cluster-port {port + 100}")
            check_free(host, port, instead)
            check_free(host, port + CLUSTER_BUS, instead)
        paths.clear()
        environment = {**os.environ, **paths.environment()}
        password = secrets.token_urlsafe()
        self.write(_("Preparing the configuration, the database and the static files"))
        groups = self.prepare(paths, workers, password)
        for arguments in (["migrate"], ["collectstatic", "--no-input"]):
            if self.interrupted:
                return
            manage = [sys.executable, "-m", "realtime_demo", *arguments, "--verbosity", "0"]
            try:  # in its own session, so that Ctrl-C does not reach it
                subprocess.run(
                    manage,
                    cwd=settings.BASE_DIR,
                    env=environment,
                    check=True,
                    start_new_session=True,
                )
            except subprocess.CalledProcessError as error:
                raise CommandError(
                    _("{command} failed: see above.").format(command=arguments[0])
                ) from error
        if self.interrupted:
            return
        names = [name for _group, commands in groups for name in commands]
        self.write(
            _("Starting {programs} in {directory}").format(
                programs=", ".join(names), directory=paths.directory
            )
        )
        with Supervisord(
            paths, names[::-1], password, environment, lock, self.write
        ) as supervisord:
            stopping = threading.Event()
            threading.Thread(target=self.report, args=(paths, stopping), daemon=True).start()
            try:
                while not self.interrupted:
                    if problem := supervisord.problem():
                        raise CommandError(problem)
                    time.sleep(PAUSE)
            finally:
                stopping.set()

    def report(self, paths: Paths, stopping: threading.Event) -> None:
        """Form the cluster, if there is one; then write whether the deployment is ready."""
        from realtime_demo.production.supervisord import report_readiness

        try:
            if paths.cluster:
                cluster.form(paths.cluster)
        except cluster.NotFormed as error:
            self.write(_("The Redis Cluster is incomplete: {error}").format(error=error))
        report_readiness(paths.url, paths.certificate, self.write, stopping)

    def prepare(self, paths: Paths, workers: int, password: str) -> list[tuple[str, Commands]]:
        """Write the configuration files; return the commands of each group by name.

        The last group stops first: the servers close their clients' connections through nginx, and
        need Redis until then.
        """
        try:
            nginx = programs.nginx()
            redis = "" if paths.redis_url else programs.redis_server()
        except programs.Missing as error:
            raise CommandError(str(error)) from error
        certificate.ensure(paths.certificate, paths.key, paths.host)
        version = programs.nginx_version(nginx)
        conf = paths.directory / "nginx.conf"
        conf.write_text(configuration.nginx(paths, version))
        groups: list[tuple[str, Commands]] = []
        if redis and paths.cluster:
            nodes: Commands = {}
            for number in range(len(paths.cluster)):
                file = paths.directory / f"redis-{number}.conf"
                file.write_text(configuration.redis_node(paths, number))
                nodes[f"redis-{number}"] = [redis, str(file)]
            groups.append(("data", nodes))
        elif redis:
            paths.redis_conf.write_text(configuration.redis(paths))
            groups.append(("data", {"redis": [redis, str(paths.redis_conf)]}))
        options = ["-e", "stderr", "-p", str(paths.directory / "nginx"), "-c", str(conf)]
        groups.append(("proxy", {"nginx": [nginx, *options]}))
        worker_names = ["worker"] if workers == 1 else [f"worker-{n}" for n in range(workers)]
        worker_command = [sys.executable, "-m", "realtime_demo", "runworker", "background-tasks"]
        application: Commands = {
            name: command(settings.SERVER, uds=str(paths.socket(name))) for name in paths.names
        }
        groups.append(
            ("application", {**application, **dict.fromkeys(worker_names, worker_command)})
        )
        paths.supervisor.touch(0o600)
        paths.supervisor.write_text(configuration.supervisor(paths, groups, password))
        return groups


def production(options: str) -> str:
    """Return the command line of this command with `options`."""
    if settings.IS_INSTALLED:
        return command_line(f"production {options}")
    port = re.fullmatch(r"--port (\d+)", options)
    return f"make production HTTPS_PORT={port[1]}" if port else f'make production ARGS="{options}"'


def check_free(host: str, port: int, instead: str) -> None:
    """Raise `CommandError` if the port cannot be used; suggest the command `instead`."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except (OSError, OverflowError) as error:
            reason = error.strerror if isinstance(error, OSError) else error
            message = _("Cannot listen on {address} ({reason}); try: {command}").format(
                address=f"{host}:{port}", reason=reason, command=instead
            )
            raise CommandError(message) from error
