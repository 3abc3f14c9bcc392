"""The generated files of a production deployment, and the environment of its processes."""

from __future__ import annotations

import hashlib
import os
import tempfile
from dataclasses import dataclass
from pathlib import Path

from django.utils.translation import gettext as _

from realtime_demo.installation import kept_secret

# A UNIX socket's path is at most 108 bytes (unix(7)); supervisord appends its process id, and
# Twisted `.lock`.
LONGEST_SOCKET = 90
NODES = 6  # of a Redis Cluster: three masters, each with a replica


@dataclass(frozen=True)
class Paths:
    """The options and files of one production, which runs its own Redis if `redis_url` is empty.

    `cluster_port` is the first port of its own Redis Cluster; 0: it runs a single Redis.
    """

    directory: Path
    host: str = "127.0.0.1"
    port: int = 8443
    metrics_port: int = 9180  # 0: none
    servers: int = 2
    redis_url: str = ""
    cluster_port: int = 0

    @property
    def run(self) -> Path:
        """The directory of sockets and locks: a temporary one if the path is too long for them."""
        run = self.directory / "run"
        if len(os.fsencode(run / "server-00.sock")) <= LONGEST_SOCKET:
            return run
        name = hashlib.sha256(os.fsencode(self.directory)).hexdigest()[:12]
        return Path(tempfile.gettempdir()) / f"realtime-{os.getuid()}-{name}"

    @property
    def names(self) -> list[str]:
        """The servers' names."""
        return [f"server-{number}" for number in range(self.servers)]

    def socket(self, name: str) -> Path:
        return self.run / f"{name}.sock"

    def pid_file(self, name: str = "supervisord") -> Path:
        return self.run / f"{name}.pid"

    @property
    def supervisor(self) -> Path:
        return self.directory / "supervisord.conf"

    @property
    def site(self) -> Path:
        """The files that nginx serves, with `static/`."""
        return self.directory / "site"

    @property
    def certificate(self) -> Path:
        return self.directory / "certificate.pem"

    @property
    def key(self) -> Path:
        return self.directory / "key.pem"

    @property
    def redis_conf(self) -> Path:
        return self.directory / "redis.conf"

    @property
    def cluster(self) -> list[tuple[str, int]]:
        """The addresses of the nodes of its own Redis Cluster, on loopback."""
        ports = range(self.cluster_port, self.cluster_port + NODES) if self.cluster_port else ()
        return [("127.0.0.1", port) for port in ports]

    @property
    def _own_redis(self) -> str:
        if self.cluster_port:
            return f"redis+cluster://{','.join(f'{host}:{port}' for host, port in self.cluster)}"
        return f"unix://{self.socket('redis')}?db=0"

    @property
    def url(self) -> str:
        host = "localhost" if self.host in ("127.0.0.1", "::1", "0.0.0.0", "::") else self.host
        return f"https://{f'[{host}]' if ':' in host else host}:{self.port}/"

    def make_directories(self) -> None:
        names = ["nginx", "redis", *(f"redis-{number}" for number in range(len(self.cluster)))]
        for path in (self.directory, self.site, *(self.directory / name for name in names)):
            path.mkdir(parents=True, exist_ok=True)
        self.run.mkdir(mode=0o700, parents=True, exist_ok=True)
        if self.run.lstat().st_uid != os.getuid():
            text = _("{directory} belongs to another user")
            raise PermissionError(text.format(directory=self.run))

    def clear(self) -> None:
        """Remove stale sockets, their locks and process ids before anything is started.

        After a power cut, a process id may belong to another process: Twisted would consider a
        socket in use, and `child` would kill that process.
        """
        for pattern in ("*.sock", "*.sock.lock", "*.pid"):
            for stale in self.run.glob(pattern):
                if stale != self.socket("redis"):
                    stale.unlink(missing_ok=True)

    def environment(self) -> dict[str, str]:
        """Return the environment of servers, workers and management commands."""
        hosts = ["localhost", "127.0.0.1", "[::1]"]
        if self.host not in hosts:
            hosts.append(f"[{self.host}]" if ":" in self.host else self.host)
        defaults = {
            "ALLOWED_HOSTS": ",".join(hosts),
            "DATABASE_PATH": str(self.directory / "db.sqlite3"),
            "SECRET_KEY": self._secret_key(),
        }
        return {
            "DJANGO_SETTINGS_MODULE": "realtime_demo.settings",
            **{name: os.environ.get(name) or value for name, value in defaults.items()},
            "BEHIND_PROXY": "1",
            "DEBUG": "0",
            "PYTHONUNBUFFERED": "1",
            "REDIS_URL": self.redis_url or self._own_redis,
            "SERVE_STATIC": "0",
            "STATIC_ROOT": str(self.site / "static"),
        }

    def _secret_key(self) -> str:
        """Return the secret in the directory, the same for all servers and after a restart."""
        return kept_secret(self.directory / "secret-key")
