"""What a `REDIS_URL` means: one server, with TLS or a password, or a master behind Sentinels.

    redis://[user:password@]host:port/db              rediss:// for TLS
    unix://[user:password@]/path/to/redis.sock?db=0
    redis+sentinel://[user:password@]host:port[,host:port …]/master[/db]
                                                      rediss+sentinel:// for TLS
    … ?sentinel_username=…&sentinel_password=…        for the Sentinels themselves
    … ?ssl_ca_certs=/path&ssl_certfile=/path&ssl_keyfile=/path&ssl_cert_reqs=required

The first two are redis-py's own, with all its options in the query. Settings use this module
while they load: it does not import redis-py.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit

SENTINEL_SCHEMES = {"redis+sentinel": False, "rediss+sentinel": True}
SENTINEL_PORT = 26379
SENTINEL_TIMEOUT = 2.0  # seconds
TLS_OPTIONS = frozenset({"ssl_ca_certs", "ssl_certfile", "ssl_keyfile", "ssl_cert_reqs"})


class InvalidRedisURL(ValueError):
    """A malformed `REDIS_URL`. Its message leaves the password out."""


def layer_host(url: str, **options: Any) -> dict[str, Any]:
    """The entry of channels-redis' `hosts`; `options` are redis-py's, for pool and connection.

    Raises `InvalidRedisURL`.
    """
    parts = _split(url)
    if parts.scheme not in SENTINEL_SCHEMES:
        return {"address": url, **options}
    master, sentinels, of_sentinels, of_master = _sentinel(parts)
    return {
        "master_name": master,
        "sentinels": sentinels,
        "sentinel_kwargs": of_sentinels,
        **of_master,
        **options,
    }


def _split(url: str) -> SplitResult:
    parts = urlsplit(url)
    known = ("redis", "rediss", "unix", *SENTINEL_SCHEMES)
    if parts.scheme not in known:
        raise InvalidRedisURL(f"REDIS_URL begins with one of {', '.join(known)}.")
    return parts


def _sentinel(
    parts: SplitResult,
) -> tuple[str, list[tuple[str, int]], dict[str, Any], dict[str, Any]]:
    """The master's name, the Sentinels, and the options of connections to either."""
    credentials, _, hosts = parts.netloc.rpartition("@")
    user, _, password = credentials.partition(":")
    master, _, database = parts.path.strip("/").partition("/")
    if not master or not hosts:
        raise InvalidRedisURL(
            "redis+sentinel://host:port,host:port/master/db: something is missing."
        )
    query = dict(parse_qsl(parts.query))
    unknown = query.keys() - TLS_OPTIONS - {"sentinel_username", "sentinel_password"}
    if unknown:
        raise InvalidRedisURL(f"REDIS_URL has an option nobody knows: {', '.join(unknown)}.")
    try:
        sentinels = [_address(host) for host in hosts.split(",")]
        of_master: dict[str, Any] = {"db": int(database or 0)}
    except ValueError as error:
        raise InvalidRedisURL("A port and the database of REDIS_URL are numbers.") from error
    if user:
        of_master["username"] = unquote(user)
    if password:
        of_master["password"] = unquote(password)
    of_sentinels: dict[str, Any] = {
        "socket_timeout": SENTINEL_TIMEOUT,
        "socket_connect_timeout": SENTINEL_TIMEOUT,
        "retry": None,  # redis-py tries once: the next Sentinel is asked instead
    }
    for name in ("username", "password"):
        if value := query.get(f"sentinel_{name}"):
            of_sentinels[name] = value
    if SENTINEL_SCHEMES[parts.scheme]:
        tls = {name: value for name, value in query.items() if name in TLS_OPTIONS}
        for each in (of_master, of_sentinels):
            each.update(ssl=True, **tls)
    return master, sentinels, of_sentinels, of_master


def _address(text: str) -> tuple[str, int]:
    parts = urlsplit(f"//{text}")
    if not parts.hostname:
        raise ValueError(text)
    return parts.hostname, parts.port or SENTINEL_PORT
