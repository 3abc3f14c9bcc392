"""System checks (`manage.py check`) of the settings that techniques need."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from importlib.util import find_spec
from typing import Any

from django.apps import apps
from django.conf import settings
from django.core.checks import CheckMessage, Error, Warning
from django.utils.module_loading import import_string

from transports.conf import Conf, conf
from transports.registry import APPS
from transports.store.redis.url import InvalidRedisURL, cluster_nodes, is_cluster, layer_host

Messages = Iterator[CheckMessage]
IN_MEMORY = "channels.layers.InMemoryChannelLayer"
PUB_SUB = "transports.store.redis.pubsub.PubSubChannelLayer"
DATABASE_ENGINES = (
    "django.contrib.sessions.backends.db",
    "django.contrib.sessions.backends.cached_db",
)


def check_names(**_: Any) -> Messages:
    """Check that each entry of `REALTIME` is a setting."""
    names = {name for kind in (Conf, *Conf.__subclasses__()) for name in kind.__annotations__}
    for name in getattr(settings, "REALTIME", None) or ():
        if name not in names:
            yield Error(
                f"REALTIME has {name!r}, which is not a setting.",
                hint=f"The settings are {', '.join(sorted(names))}.",
                id="transports.E008",
            )


def check_apps(**_: Any) -> Messages:
    """Check that the apps that an installed app needs are installed too."""
    if apps.is_installed("transports.auth"):
        needed = ["django.contrib.auth", "django.contrib.contenttypes"]
        if settings.SESSION_ENGINE in DATABASE_ENGINES:
            needed.append("django.contrib.sessions")
        for name in needed:
            if not apps.is_installed(name):
                yield Error(
                    f"'transports.auth' needs {name!r} in INSTALLED_APPS.", id="transports.E001"
                )
    elif apps.is_installed("django.contrib.auth") and any(map(apps.is_installed, APPS)):
        yield Warning(
            "Users of this project cannot be authenticated on the techniques.",
            hint="Add 'transports.auth' to INSTALLED_APPS, and wrap the routes in "
            "transports.auth.middleware.TokenAuthMiddlewareStack.",
            id="transports.W001",
        )


def check_permissions(**_: Any) -> Messages:
    """Check that the function in `MAY_ENTER` exists and has a middleware that calls it."""
    if not conf.MAY_ENTER:
        return
    try:
        if not callable(import_string(conf.MAY_ENTER)):
            raise ImportError("it is not a function")
    except ImportError as error:
        yield Error(
            "MAY_ENTER must be the dotted path of a function of user, room and action; "
            f"got {conf.MAY_ENTER!r}: {error}.",
            id="transports.E002",
        )
    if not apps.is_installed("transports.auth"):
        yield Error(
            "MAY_ENTER needs 'transports.auth' in INSTALLED_APPS and "
            "transports.auth.middleware.TokenAuthMiddlewareStack around the routes.",
            id="transports.E003",
        )


def check_classes(**_: Any) -> Messages:
    """Check that the classes in `STORE` and `TELEMETRY` exist."""
    for name in ("STORE", "TELEMETRY"):
        path = getattr(conf, name)
        try:
            if path:
                import_string(path)
        except ImportError as error:
            message = f"{name} must be the dotted path of a class; got {path!r}: {error}."
            yield Error(message, id="transports.E009")


def check_middleware(**_: Any) -> Messages:
    """Check that Django's views log in the users that techniques authenticate."""
    needed = (
        "django.contrib.sessions.middleware.SessionMiddleware",
        "django.contrib.auth.middleware.AuthenticationMiddleware",
    )
    missing = [name for name in needed if name not in settings.MIDDLEWARE]
    if apps.is_installed("transports.auth") and missing:
        yield Warning(
            f"Without {' and '.join(missing)} in MIDDLEWARE, only tokens authenticate users.",
            id="transports.W002",
        )


def check_channel_layer(**_: Any) -> Messages:
    """Check that history and channel layer are both in Redis, or both in memory."""
    layers = getattr(settings, "CHANNEL_LAYERS", {})
    backend = layers.get("default", {}).get("BACKEND", IN_MEMORY)
    hint = f"Set CHANNEL_LAYERS to {PUB_SUB}, as in realtime_demo/settings.py."
    if conf.REDIS_URL and backend == IN_MEMORY:
        yield Warning(
            "The history is in Redis (REDIS_URL), but the channel layer is in memory: other "
            "processes deliver events only at the next comparison, up to a second later.",
            hint=hint,
            id="transports.W003",
        )
    elif is_cluster(conf.REDIS_URL) and backend.startswith("channels_redis."):
        yield Error(
            f"REDIS_URL names a Redis Cluster, which the channel layer {backend} does not support.",
            hint=hint,
            id="transports.E007",
        )
    elif not conf.REDIS_URL and not conf.STORE and backend != IN_MEMORY:
        yield Warning(
            "The channel layer is shared, but the history is in the memory of each process.",
            hint="Set REDIS_URL.",
            id="transports.W004",
        )


def check_redis_url(**_: Any) -> Messages:
    """Check that `REDIS_URL` can be parsed."""
    if conf.REDIS_URL:
        try:
            (cluster_nodes if is_cluster(conf.REDIS_URL) else layer_host)(conf.REDIS_URL)
        except InvalidRedisURL as error:
            yield Error(str(error), id="transports.E006")


def check_processes(**_: Any) -> Messages:
    """Check that several processes share one history, and that `runserver` serves ASGI."""
    workers = os.environ.get("WEB_CONCURRENCY", "")
    if workers.isdigit() and int(workers) > 1 and not conf.REDIS_URL and not conf.STORE:
        yield Error(
            f"WEB_CONCURRENCY starts {workers} processes, each with a history of its own.",
            hint="Set REDIS_URL, or WEB_CONCURRENCY=1.",
            id="transports.E004",
        )
    if conf.REDIS_URL and find_spec("redis") is None:
        yield Error("REDIS_URL needs the package 'redis': it is missing.", id="transports.E005")
    if sys.argv[1:2] == ["runserver"] and not apps.is_installed("daphne"):
        yield Warning(
            "Django's runserver serves WSGI, without the techniques.",
            hint="Install an ASGI server, such as Uvicorn; or add 'daphne' first to "
            "INSTALLED_APPS, for its runserver.",
            id="transports.W005",
        )


CHECKS = (
    check_names,
    check_apps,
    check_permissions,
    check_classes,
    check_middleware,
    check_channel_layer,
    check_redis_url,
    check_processes,
)
