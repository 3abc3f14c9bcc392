"""Django settings. Every limit is also an environment variable of the same name.

`REDIS_URL` switches history and channel layer together: unset, both live in this
process; set, both live in Redis and any number of processes share one feed.
"""

from __future__ import annotations

import math
import os
import re
import sys
from collections.abc import Iterable
from gettext import gettext as _
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from django.core.exceptions import ImproperlyConfigured
from django.core.management.utils import get_random_secret_key

from background.conf import TaskConf
from realtime_demo.asgi_servers import SERVERS
from realtime_demo.installation import IS_INSTALLED, kept_secret, use_catalog
from transports.conf import Conf
from transports.registry import APPS
from transports.store.redis.url import InvalidRedisURL, cluster_nodes, is_cluster, layer_host

use_catalog()
BASE_DIR = Path(__file__).resolve().parent.parent
_ORIGIN = re.compile(r"https?://(?:[a-z0-9._-]+|\[[0-9a-f:]+\])(:[0-9]{1,5})?")
SHORTEST = 0.01  # seconds: lower bound for periodic intervals, to avoid a busy loop


TRUE, FALSE = ("1", "true", "yes", "on"), ("0", "false", "no", "off", "")


def _boolean(name: str, default: bool) -> bool:
    text = os.environ.get(name, str(default))
    return _choice(name, text.strip().lower(), (*TRUE, *FALSE)) in TRUE


def _choice(name: str, value: str, choices: Iterable[str]) -> str:
    if value not in choices:
        text = _("{name} must be one of {known}; got {value}.")
        known = ", ".join(filter(None, choices))
        raise ImproperlyConfigured(text.format(name=name, known=known, value=repr(value)))
    return value


def _list(name: str, default: str) -> list[str]:
    return [item.strip() for item in os.environ.get(name, default).split(",") if item.strip()]


def _origins(name: str) -> list[str]:
    """Return a list of origins as browsers send them (RFC 6454 §6.2)."""
    origins = _list(name, "")
    for origin in origins:
        match = _ORIGIN.fullmatch(origin)
        if match is None or match[1] == {"http": ":80", "https": ":443"}[origin.partition(":")[0]]:
            text = _(
                "{name} must have origins as browsers send them, such as https://demo.example or "
                "http://demo.example:8080; got {origin}."
            )
            raise ImproperlyConfigured(text.format(name=name, origin=repr(origin)))
    return origins


def _integer(name: str, default: int, least: int = 1) -> int:
    return int(_number(name, default, least, int))


def _number(name: str, default: float, least: float, kind: type[int | float] = float) -> float:
    text = os.environ.get(name, str(default))
    try:
        value = kind(text)
    except ValueError:
        value = math.nan
    if not least <= value < math.inf:  # JSON has no infinity
        message = _("{name} must be a number, at least {least}; got {text}.")
        if kind is int:
            message = _("{name} must be an integer, at least {least}; got {text}.")
        raise ImproperlyConfigured(message.format(name=name, least=f"{least:g}", text=repr(text)))
    return value


def _data_directory() -> Path:
    """Return the directory of database and secret: the clone, or one of the user's, created."""
    if not IS_INSTALLED:
        return BASE_DIR
    from platformdirs import user_data_path

    return user_data_path("realtime-demo", ensure_exists=True)


DATA_DIR = _data_directory()
# The ASGI server that `manage.py demo`, `production` and `compare` start.
SERVER = _choice("SERVER", os.environ.get("SERVER", "uvicorn"), SERVERS)
DEBUG = _boolean("DEBUG", False)
# Signs sessions and tokens. Without SECRET_KEY each process has its own random key; the installed
# package keeps one in its data directory.
SECRET_KEY = os.environ.get("SECRET_KEY") or (
    kept_secret(DATA_DIR / "secret-key") if IS_INSTALLED else get_random_secret_key()
)
SECRET_KEY_IS_RANDOM = not (os.environ.get("SECRET_KEY") or IS_INSTALLED)
if SECRET_KEY == "change-me":  # the public value of deploy/systemd/environment.example
    raise ImproperlyConfigured(_("SECRET_KEY is the example's; generate one: openssl rand -hex 32"))
ALLOWED_HOSTS = _list("ALLOWED_HOSTS", "localhost,127.0.0.1,[::1]")
# Origins (scheme, host, port), in addition to the server's own, that may publish and open sockets.
ALLOWED_ORIGINS = _origins("ALLOWED_ORIGINS")
CSRF_TRUSTED_ORIGINS = ALLOWED_ORIGINS
# Whether clients reach the servers only through a proxy, which sets X-Forwarded-For and
# X-Forwarded-Proto.
BEHIND_PROXY = _boolean("BEHIND_PROXY", False)
# The path below which a proxy serves this project, such as "/demo".
FORCE_SCRIPT_NAME = os.environ.get("FORCE_SCRIPT_NAME", "").rstrip("/") or None
if FORCE_SCRIPT_NAME and not FORCE_SCRIPT_NAME.startswith("/"):
    _text = _("FORCE_SCRIPT_NAME must begin with a slash, as /demo; got {path}.")
    raise ImproperlyConfigured(_text.format(path=repr(FORCE_SCRIPT_NAME)))
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if BEHIND_PROXY else None
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = BEHIND_PROXY

# Path of the function that decides which users may read and publish in which rooms.
MAY_ENTER = os.environ.get("MAY_ENTER", "transports.rooms.permissions.may_enter")

# --- Limits ------------------------------------------------------------------------------
TEXT_LENGTH = _integer("TEXT_LENGTH", Conf.TEXT_LENGTH)  # characters in an event's text
SENDER_LENGTH = _integer("SENDER_LENGTH", Conf.SENDER_LENGTH)  # characters in a sender's name
BODY_SIZE = _integer("BODY_SIZE", Conf.BODY_SIZE)  # bytes in a request body or a frame
HISTORY_LENGTH = _integer("HISTORY_LENGTH", Conf.HISTORY_LENGTH)  # events kept for each room
BACKLOG_LENGTH = _integer("BACKLOG_LENGTH", Conf.BACKLOG_LENGTH, 0)  # events sent without a cursor
MAX_ROOMS = _integer("MAX_ROOMS", Conf.MAX_ROOMS)  # rooms a process keeps in memory
MAX_SOCKET_ROOMS = _integer("MAX_SOCKET_ROOMS", Conf.MAX_SOCKET_ROOMS)  # rooms joined on one socket
MAX_CONNECTIONS = _integer("MAX_CONNECTIONS", 10_000)  # connections to a process
# Connections to a process from one address; 0: any number.
MAX_CONNECTIONS_PER_ADDRESS = _integer("MAX_CONNECTIONS_PER_ADDRESS", 0, 0)
LOGIN_RATE = _number("LOGIN_RATE", Conf.LOGIN_RATE, 0)  # failed log-ins a minute an address; 0: off
PUBLISH_RATE = _number("PUBLISH_RATE", Conf.PUBLISH_RATE, 0)  # publishes a second a client; 0: off
HEARTBEAT = _number("HEARTBEAT", Conf.HEARTBEAT, SHORTEST)  # seconds between heartbeats
# Seconds after which a stream ends, for platforms that would cut it; 0: never.
STREAM_LIFETIME = _number("STREAM_LIFETIME", Conf.STREAM_LIFETIME, 0)

# The class that receives the counts of feed and techniques, for `/metrics`; or, to trace also,
# "realtime_demo.tracing.TracedPrometheus".
TELEMETRY = os.environ.get("TELEMETRY", "transports.operations.metrics.Prometheus")

# --- The demo's controls ------------------------------------------------------------------
# Path of the parent's socket, set by `manage.py demo`: the server then has the demo's controls.
STAGE_SOCKET = os.environ.get("STAGE_SOCKET", "")
# URL of the page for other devices in the network, set by `manage.py demo --host`.
CLASS_ADDRESS = os.environ.get("CLASS_ADDRESS", "")

# --- Background tasks ---------------------------------------------------------------------
# Whether clients on this machine may start tasks, as staff may; `manage.py demo` sets it.
DEMO = _boolean("DEMO", False)
# Seconds until a silent worker counts as dead.
TASK_LEASE = _number("TASK_LEASE", TaskConf.TASK_LEASE, SHORTEST)
# Seconds between checks without a wake-up.
TASK_SWEEP = _number("TASK_SWEEP", TaskConf.TASK_SWEEP, SHORTEST)
# Tasks at a time in a worker.
TASK_CONCURRENCY = _integer("TASK_CONCURRENCY", TaskConf.TASK_CONCURRENCY)
# Seconds after which a finished task is deleted; 0: never.
TASK_EXPIRY = _number("TASK_EXPIRY", TaskConf.TASK_EXPIRY, 0)
# Django's own tasks: functions with `@task` run on the same worker.
TASKS = {"default": {"BACKEND": "background.task_backend.TaskBackend"}}

# --- Feed --------------------------------------------------------------------------------
REDIS_URL = os.environ.get("REDIS_URL", "")
if REDIS_URL:
    try:
        (cluster_nodes if is_cluster(REDIS_URL) else layer_host)(REDIS_URL)
    except InvalidRedisURL as error:
        raise ImproperlyConfigured(str(error)) from error
REDIS_PREFIX = os.environ.get("REDIS_PREFIX", Conf.REDIS_PREFIX)  # of every key and channel
# Seconds until Redis removes a room without publishes.
HISTORY_EXPIRY = _integer("HISTORY_EXPIRY", Conf.HISTORY_EXPIRY)
# Seconds for which an `Idempotency-Key` is kept.
IDEMPOTENCY_EXPIRY = _integer("IDEMPOTENCY_EXPIRY", Conf.IDEMPOTENCY_EXPIRY)
# With Redis: "pubsub", or "redis" (messages wait in a list for their reader). A cluster always has
# "pubsub".
CHANNEL_LAYER = _choice(
    "CHANNEL_LAYER", os.environ.get("CHANNEL_LAYER", "pubsub"), ("pubsub", "redis")
)
# Messages that may wait for one process; the layer drops further ones, the history keeps them.
LAYER_CAPACITY = _integer("LAYER_CAPACITY", 10_000)
# Connections in each pool to Redis. A process has three pools: to publish, to read, and for the
# layer, where one connection always waits for messages.
REDIS_CONNECTIONS = _integer("REDIS_CONNECTIONS", Conf.REDIS_CONNECTIONS, 2)
_config: dict[str, Any] = {"capacity": LAYER_CAPACITY}
if not REDIS_URL:
    _backend = "channels.layers.InMemoryChannelLayer"
elif CHANNEL_LAYER == "pubsub" or is_cluster(REDIS_URL):
    _backend = "transports.store.redis.pubsub.PubSubChannelLayer"
    _config |= {"url": REDIS_URL, "prefix": f"{REDIS_PREFIX}:layer"}
else:
    _backend = "transports.store.redis.layer.RedisChannelLayer"
    # redis-py 8 times out a read after 5 s, and channels-redis blocks in BRPOP for as long: an
    # idle receive() would raise every 5 s
    # (https://github.com/django/channels_redis/issues/422).
    _host = layer_host(REDIS_URL, socket_timeout=15, socket_connect_timeout=2)
    _config |= {
        "hosts": [{**_host, "max_connections": REDIS_CONNECTIONS}],
        "prefix": f"{REDIS_PREFIX}:layer",
        "expiry": 60,
        # A killed process does not leave its groups: until its membership expires, every event is
        # copied for it. Live processes rejoin every ten minutes (`hub`).
        "group_expiry": 3_600,
    }
CHANNEL_LAYERS = {"default": {"BACKEND": _backend, "CONFIG": _config}}

# --- Django ------------------------------------------------------------------------------
INSTALLED_APPS = [
    "realtime_demo",
    "background",  # before Channels, for its runworker
    # Daphne's `runserver` must precede that of staticfiles. Other commands need not load Twisted.
    *(["daphne"] if sys.argv[1:2] == ["runserver"] and find_spec("daphne") else []),
    "channels",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "transports",
    "transports.auth",
    "transports.rooms",
    *APPS,
]
MIDDLEWARE = [
    "realtime_demo.middleware.ContentSecurityPolicyMiddleware",
    "realtime_demo.middleware.NoStoreMiddleware",
    "realtime_demo.middleware.DatabaseErrorMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "realtime_demo.middleware.LanguageMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]
ROOT_URLCONF = "realtime_demo.urls"
ASGI_APPLICATION = "realtime_demo.asgi.application"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
        },
    },
]
DATABASE_URL = os.environ.get("DATABASE_URL", "")  # such as postgres://user:password@host/name
# Connections of a process to PostgreSQL; further requests wait for a free one.
DATABASE_CONNECTIONS = _integer("DATABASE_CONNECTIONS", 8)
# The SQLite file, without DATABASE_URL.
DATABASE_PATH = os.environ.get("DATABASE_PATH", DATA_DIR / "db.sqlite3")
_file = Path(DATABASE_PATH)
if DATABASE_PATH and not DATABASE_URL and (_file.is_dir() or not _file.parent.is_dir()):
    _text = _("DATABASE_PATH must be a file in an existing directory; got {path}.")
    raise ImproperlyConfigured(_text.format(path=repr(str(_file))))
DATABASES: dict[str, dict[str, Any]]
if DATABASE_URL:
    import dj_database_url

    try:
        DATABASES = {"default": {**dj_database_url.parse(DATABASE_URL, conn_health_checks=True)}}
    except ValueError as error:  # its message may have the password
        raise ImproperlyConfigured(
            _("DATABASE_URL must be as postgres://user:password@host:port/name.")
        ) from error
    if DATABASES["default"]["ENGINE"].endswith(".postgresql"):
        # A pool, because each request has its own thread, whose connection would end with it
        # (docs.djangoproject.com, "Persistent connections", "Caveats").
        DATABASES["default"].setdefault("OPTIONS", {})["pool"] = {
            "min_size": 1,
            "max_size": DATABASE_CONNECTIONS,
            "timeout": 2,  # seconds until a request without a connection fails
            # Seconds of attempts to connect, with growing pauses. After them, the next request
            # connects at once; the default of five minutes would prolong a long outage.
            "reconnect_timeout": 2,
        }
else:
    DATABASES = {
        "default": {
            "ENGINE": "django.db.backends.sqlite3",
            "NAME": DATABASE_PATH,
            "OPTIONS": {
                "timeout": 20,
                # A transaction that reads and then writes would fail at once while another writes
                # (docs.djangoproject.com, "Transactions behavior").
                "transaction_mode": "IMMEDIATE",
                "init_command": "PRAGMA journal_mode=WAL",
            },
        }
    }
# Requests with a foreign Host are answered 400. Scanners send many of them, and each would log a
# traceback (docs.djangoproject.com, "django.security.*").
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"plain": {"format": "%(levelname)s %(name)s: %(message)s"}},
    "handlers": {
        "null": {"class": "logging.NullHandler"},
        "console": {"class": "logging.StreamHandler", "formatter": "plain"},
    },
    "root": {"handlers": ["console"], "level": "WARNING"},
    "loggers": {"django.security.DisallowedHost": {"handlers": ["null"], "propagate": False}},
}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
LANGUAGE_CODE = "en"
LANGUAGES = [("en", "English"), ("ko", "한국어")]  # each named in its own language
# In the wheel they are below `realtime_demo`, where Django finds them.
LOCALE_PATHS = [] if IS_INSTALLED else [BASE_DIR / "locale"]
LANGUAGE_COOKIE_AGE = 365 * 24 * 3600  # seconds
LANGUAGE_COOKIE_SECURE = BEHIND_PROXY
TIME_ZONE = "UTC"
USE_TZ = True
STATIC_URL = f"{FORCE_SCRIPT_NAME or ''}/static/"
STATIC_ROOT = os.environ.get("STATIC_ROOT", DATA_DIR / "staticfiles")
# Whether this process serves the static files too; in production nginx does.
SERVE_STATIC = _boolean("SERVE_STATIC", True)
CSRF_FAILURE_VIEW = "realtime_demo.web.views.forbidden"
LOGIN_URL = "login"
LOGIN_REDIRECT_URL = "page"
LOGOUT_REDIRECT_URL = "page"
