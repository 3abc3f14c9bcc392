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

from gettext import gettext
from typing import Any
from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit

SENTINEL_SCHEMES = {"redis+sentinel": False, "rediss+sentinel": True}
CLUSTER_SCHEMES = {"redis+cluster": False, "rediss+cluster": True}
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
    master, sentinels, sentinel_options, master_options = _sentinel(parts)
    return {
        "master_name": master,
        "sentinels": sentinels,
        "sentinel_kwargs": sentinel_options,
        **master_options,
        **options,
    }


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
    options, hosts = _credentials(parts)
    query = dict(parse_qsl(parts.query))
    if unknown := query.keys() - TLS_OPTIONS:
        raise _unknown_options(unknown)
    if CLUSTER_SCHEMES[parts.scheme]:
        options.update(ssl=True, **query)
    try:
        return [_address(host, CLUSTER_PORT) for host in hosts.split(",")], options
    except ValueError as error:
        raise InvalidRedisURL(
            gettext(
                "REDIS_URL must be redis+cluster://host:port,host:port, with ports that are "
                "numbers."
            )
        ) from error


def _credentials(parts: SplitResult) -> tuple[dict[str, Any], str]:
    """Return user and password as options of redis-py, and the hosts."""
    credentials, _, hosts = parts.netloc.rpartition("@")
    user, _, password = credentials.partition(":")
    options = {"username": unquote(user), "password": unquote(password)}
    return {name: value for name, value in options.items() if value}, hosts


def _split(url: str) -> SplitResult:
    parts = urlsplit(url)
    schemes = ("redis", "rediss", "unix", *SENTINEL_SCHEMES, *CLUSTER_SCHEMES)
    if parts.scheme not in schemes:
        text = gettext("REDIS_URL must begin with one of {schemes}; got {scheme}.")
        raise InvalidRedisURL(
            text.format(schemes=", ".join(schemes), scheme=repr(parts.scheme[:40]))
        )
    return parts


def _sentinel(
    parts: SplitResult,
) -> tuple[str, list[tuple[str, int]], dict[str, Any], dict[str, Any]]:
    """Return the master's name, the Sentinels, and the connection options of both."""
    credentials, hosts = _credentials(parts)
    master, _, database = parts.path.strip("/").partition("/")
    if not master or not hosts:
        text = gettext(
            "REDIS_URL must be redis+sentinel://host:port,host:port/master/db; got no {part}."
        )
        raise InvalidRedisURL(text.format(part="host" if master else "master"))
    query = dict(parse_qsl(parts.query))
    unknown = query.keys() - TLS_OPTIONS - {"sentinel_username", "sentinel_password"}
    if unknown:
        raise _unknown_options(unknown)
    try:
        sentinels = [_address(host, SENTINEL_PORT) for host in hosts.split(",")]
        master_options: dict[str, Any] = {"db": int(database or 0), **credentials}
    except ValueError as error:
        raise InvalidRedisURL(
            gettext("The ports and the database of REDIS_URL must be numbers.")
        ) from error
    sentinel_options: dict[str, Any] = {
        "socket_timeout": SENTINEL_TIMEOUT,
        "socket_connect_timeout": SENTINEL_TIMEOUT,
        "retry": None,  # no retry: another Sentinel responds instead
    }
    for name in ("username", "password"):
        if value := query.get(f"sentinel_{name}"):
            sentinel_options[name] = value
    if SENTINEL_SCHEMES[parts.scheme]:
        tls = {name: value for name, value in query.items() if name in TLS_OPTIONS}
        for each in (master_options, sentinel_options):
            each.update(ssl=True, **tls)
    return master, sentinels, sentinel_options, master_options


def _unknown_options(names: set[str]) -> InvalidRedisURL:
    text = gettext("REDIS_URL has unknown options: {names}.")
    return InvalidRedisURL(text.format(names=", ".join(sorted(names))))


def _address(text: str, port: int) -> tuple[str, int]:
    parts = urlsplit(f"//{text}")
    if not parts.hostname:
        raise ValueError(text)
    return parts.hostname, parts.port or port
