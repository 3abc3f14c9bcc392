"""Parser of `REDIS_URL`: one server, a master behind Sentinels, or a cluster.

    redis://[user:password@]host:port/db              rediss:// for TLS
    unix://[user:password@]/path/to/redis.sock?db=0
    redis+sentinel://[user:password@]host:port[,host:port …]/master[/db]
                                                      rediss+sentinel:// for TLS
    redis+cluster://[user:password@]host:port[,host:port …]
                                                      rediss+cluster:// for TLS
    … ?sentinel_username=…&sentinel_password=…        for the Sentinels themselves
    … ?ssl_ca_certs=/path&ssl_certfile=/path&ssl_keyfile=/path&ssl_cert_reqs=required

The first two are redis-py's own, with all its options in the query. This module does not import
redis-py, since Django's settings import it.
"""

from __future__ import annotations

from collections.abc import Set
from gettext import gettext
from typing import Any
from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit

SENTINEL_SCHEMES = ("redis+sentinel", "rediss+sentinel")
CLUSTER_SCHEMES = ("redis+cluster", "rediss+cluster")
SENTINEL_PORT = 26379
CLUSTER_PORT = 6379
SENTINEL_TIMEOUT = 2.0  # seconds
TLS_OPTIONS = frozenset({"ssl_ca_certs", "ssl_certfile", "ssl_keyfile", "ssl_cert_reqs"})


class InvalidRedisURL(ValueError):
    """A malformed `REDIS_URL`. Its message omits the password."""


def layer_host(url: str, **options: Any) -> dict[str, Any]:
    """Return the entry of channels-redis' `hosts` for `url`.

    `options` are redis-py's, for pool and connection. Raises `InvalidRedisURL`.
    """
    parts = _split(url)
    if parts.scheme not in SENTINEL_SCHEMES:
        return {"address": url, **options}
    credentials, tls, more = _options(parts, {"sentinel_username", "sentinel_password"})
    hosts = parts.netloc.rpartition("@")[2]
    master, _, database = parts.path.strip("/").partition("/")
    if not master or not hosts:
        text = gettext(
            "REDIS_URL must be redis+sentinel://host:port,host:port/master/db; got no {part}."
        )
        raise InvalidRedisURL(text.format(part="host" if master else "master"))
    try:
        return {
            "master_name": master,
            "sentinels": _addresses(hosts, SENTINEL_PORT),
            "sentinel_kwargs": {
                "socket_timeout": SENTINEL_TIMEOUT,
                "socket_connect_timeout": SENTINEL_TIMEOUT,
                "retry": None,  # no retry: another Sentinel responds instead
                **{name.removeprefix("sentinel_"): value for name, value in more.items()},
                **tls,
            },
            "db": int(database or 0),
            **credentials,
            **tls,
            **options,
        }
    except ValueError as error:
        raise InvalidRedisURL(
            gettext("The ports and the database of REDIS_URL must be numbers.")
        ) from error


def is_cluster(url: str) -> bool:
    return urlsplit(url).scheme in CLUSTER_SCHEMES


def cluster_nodes(url: str) -> tuple[list[tuple[str, int]], dict[str, Any]]:
    """Return the addresses of a cluster's nodes in `url`, and options of redis-py.

    Raises `InvalidRedisURL`.
    """
    parts = _split(url)
    if parts.scheme not in CLUSTER_SCHEMES:
        raise InvalidRedisURL(gettext("REDIS_URL must begin with redis+cluster or rediss+cluster."))
    if parts.path.strip("/") not in ("", "0"):
        raise InvalidRedisURL(
            gettext("REDIS_URL must not name a database: a cluster has only database 0.")
        )
    credentials, tls, _ = _options(parts)
    try:
        hosts = parts.netloc.rpartition("@")[2]
        return _addresses(hosts, CLUSTER_PORT), {**credentials, **tls}
    except ValueError as error:
        raise InvalidRedisURL(
            gettext(
                "REDIS_URL must be redis+cluster://host:port,host:port, with ports that are "
                "numbers."
            )
        ) from error


def _split(url: str) -> SplitResult:
    parts = urlsplit(url)
    schemes = ("redis", "rediss", "unix", *SENTINEL_SCHEMES, *CLUSTER_SCHEMES)
    if parts.scheme not in schemes:
        text = gettext("REDIS_URL must begin with one of {schemes}; got {scheme}.")
        raise InvalidRedisURL(
            text.format(schemes=", ".join(schemes), scheme=repr(parts.scheme[:40]))
        )
    return parts


def _options(
    parts: SplitResult, others: Set[str] = frozenset()
) -> tuple[dict[str, str], dict[str, Any], dict[str, str]]:
    """Return the credentials, redis-py's TLS options, and the options of the query in `others`."""
    user, _, password = parts.netloc.rpartition("@")[0].partition(":")
    credentials = {"username": unquote(user), "password": unquote(password)}
    query = dict(parse_qsl(parts.query))
    if unknown := query.keys() - TLS_OPTIONS - others:
        text = gettext("REDIS_URL has unknown options: {names}.")
        raise InvalidRedisURL(text.format(names=", ".join(sorted(unknown))))
    tls: dict[str, Any] = {}
    if parts.scheme.startswith("rediss"):
        tls = {"ssl": True, **{name: query[name] for name in query.keys() & TLS_OPTIONS}}
    return (
        {name: value for name, value in credentials.items() if value},
        tls,
        {name: query[name] for name in query.keys() & others},
    )


def _addresses(hosts: str, port: int) -> list[tuple[str, int]]:
    """Return the addresses of `host:port,host`. Raises `ValueError`."""
    addresses = [urlsplit(f"//{host}") for host in hosts.split(",")]
    if not all(address.hostname for address in addresses):
        raise ValueError(hosts)
    return [(str(address.hostname), address.port or port) for address in addresses]
