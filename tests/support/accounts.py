"""Users, sessions and tokens in a database of their own, shared with live servers."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from typing import Any, Self, TypeVar

from django.conf import settings
from django.db import connection

from .database import default_database, migrated
from .live import SERVER_ENVIRONMENT

T = TypeVar("T")


class Accounts:
    """A migrated database, while the block lasts; `env` makes a server use it.

    It is in SQLite at `folder`, or at `url`. Django's models reject a running event loop: all calls
    run in one separate thread.
    """

    def __init__(self, folder: Path, *, url: str = "", migrated: bool = True) -> None:
        self.migrated = migrated
        self.url = url
        self.path = folder / "db.sqlite3"
        self.env = {
            **SERVER_ENVIRONMENT,
            "DATABASE_PATH": str(self.path),
            "DATABASE_URL": url,
            "SECRET_KEY": settings.SECRET_KEY,
        }

    def __enter__(self) -> Self:
        if self.migrated and not self.url:
            migrated(self.path.parent)
        self._thread = ThreadPoolExecutor(1)
        self._database = default_database(self.url or f"sqlite:///{self.path}")
        self._database.__enter__()
        return self

    def __exit__(self, *_: object) -> None:
        self.now(lambda: connection.close())
        self._thread.shutdown()
        self._database.__exit__(None, None, None)

    def now(self, work: Callable[[], T]) -> T:
        return self._thread.submit(work).result()

    def user(self, name: str, **attributes: Any) -> None:
        """Create the user, or set its `attributes`."""
        from django.contrib.auth.models import User

        self.now(lambda: User.objects.update_or_create(username=name, defaults=attributes))

    def token(self, name: str, lifetime: timedelta = timedelta(hours=1)) -> dict[str, str]:
        """Issue a token to the user; return the headers that send it."""
        from django.contrib.auth.models import User

        from transports.auth.tokens import issue

        text, _ = self.now(lambda: issue(User.objects.get(username=name), lifetime))
        return {"Authorization": f"Bearer {text}"}

    def session(self, name: str) -> dict[str, str]:
        """Log the user in; return the headers that send the session."""
        from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY
        from django.contrib.auth.models import User
        from django.contrib.sessions.backends.db import SessionStore

        def log_in() -> str:
            user = User.objects.get(username=name)
            store = SessionStore()
            store[SESSION_KEY] = str(user.pk)
            store[BACKEND_SESSION_KEY] = settings.AUTHENTICATION_BACKENDS[0]
            store[HASH_SESSION_KEY] = user.get_session_auth_hash()
            store.save()
            return str(store.session_key)

        return {"Cookie": f"{settings.SESSION_COOKIE_NAME}={self.now(log_in)}"}
