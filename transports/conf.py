"""The settings of `transports`: entries of the dictionary `REALTIME`, or else of Django's."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.core.signals import setting_changed


class Conf:
    """Settings: the project's, or else the default below. Read once, until `override_settings`."""

    ALLOWED_ORIGINS: tuple[str, ...] | list[str] = ()  # besides the server's own
    MAY_ENTER: str = ""  # path of a function of user, room and action (docs/access.md)
    TEXT_LENGTH: int = 2_000  # characters in an event's text
    SENDER_LENGTH: int = 40  # characters in a sender's name
    BODY_SIZE: int = 64 * 1024  # bytes in a request body
    PUBLISH_RATE: float = 0  # publishes a second for each client; 0: unlimited
    LOGIN_RATE: float = 20  # failed log-ins a minute for each address; 0: unlimited
    HISTORY_LENGTH: int = 1_000  # events kept for each room
    BACKLOG_LENGTH: int = 50  # events sent to a client without a cursor
    MAX_ROOMS: int = 1_000  # rooms a process keeps in memory
    MAX_SOCKET_ROOMS: int = 20  # rooms joined on one socket
    HEARTBEAT: float = 15  # seconds between heartbeats on a stream
    STREAM_LIFETIME: float = 0  # seconds after which a stream ends; 0: never
    IDEMPOTENCY_EXPIRY: int = 3_600  # seconds an `Idempotency-Key` is kept
    REDIS_URL: str = ""  # of the store in Redis; empty: the store is in memory
    REDIS_PREFIX: str = "realtime"  # of every key
    REDIS_CONNECTIONS: int = 8  # in each pool
    HISTORY_EXPIRY: int = 7 * 24 * 3_600  # seconds an unused room is kept in Redis
    STORE: str = ""  # path of a `transports.store.base.Store`; empty: chosen by REDIS_URL
    TELEMETRY: str = ""  # path of a `transports.telemetry.Telemetry`; empty: nothing is counted

    def __getattribute__(self, name: str) -> Any:
        if name not in _values:
            default = object.__getattribute__(self, name)
            own: dict[str, Any] | None = getattr(settings, "REALTIME", None)
            _values[name] = (
                getattr(settings, name, default) if own is None else own.get(name, default)
            )
        return _values[name]


_values: dict[str, Any] = {}
setting_changed.connect(lambda **_: _values.clear(), weak=False)
conf = Conf()
