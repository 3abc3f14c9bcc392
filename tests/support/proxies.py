"""Reverse proxies in processes of their own."""

from __future__ import annotations

import os
import signal
import subprocess
from pathlib import Path

from realtime_demo.production import programs

from .program import HttpProgram, available
from .waiting import BOUND

NGINX = """
daemon off;
{user}
pid {folder}/nginx.pid;
error_log stderr;
events {{ worker_connections 512; }}
http {{
    client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi; uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    access_log off;
    {http}
}}
"""


class Proxy(HttpProgram):
    """A proxy run by `command` in `folder`, while the block lasts; it listens at `url`."""

    def __init__(self, command: list[str], folder: Path, url: str) -> None:
        self.url = url
        env = {"HOME": str(folder), "XDG_DATA_HOME": str(folder)}
        super().__init__(
            command,
            None,
            env,
            signal_number=signal.SIGTERM,
            start=BOUND,
            stop=BOUND,
            spotless=False,
            folder=folder,
        )


def nginx(folder: Path, http: str, url: str) -> Proxy:
    """Return an nginx with the block `http`, by which it must listen at `url`."""
    return Proxy(_command(folder, http), folder, url)


def nginx_errors(folder: Path, http: str) -> str:
    """Return the errors of `nginx -t` about the block `http`."""
    command = [*_command(folder, http), "-t", "-q"]
    completed = subprocess.run(command, capture_output=True, text=True, timeout=BOUND)
    return completed.stderr if completed.returncode else ""


def _command(folder: Path, http: str) -> list[str]:
    executable = available(programs.nginx)
    user = "user root;" if os.getuid() == 0 else ""
    file = folder / "nginx.conf"
    file.write_text(NGINX.format(user=user, folder=folder, http=http))
    return [executable, "-e", "stderr", "-p", str(folder), "-c", str(file)]
