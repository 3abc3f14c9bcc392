"""Sessions of any engine, read without changing them.

Django's `get_user` deletes the session of a former password, and replaces one that was signed with
a `SECRET_KEY_FALLBACKS`. The cookie with the new key would be lost here, since a technique's
response sets no cookie, and the user would be logged out of the whole site.
"""

from __future__ import annotations

from collections.abc import Iterable
from importlib import import_module
from typing import Any

from django.conf import settings
from django.contrib.auth import (
    BACKEND_SESSION_KEY,
    HASH_SESSION_KEY,
    SESSION_KEY,
    get_user_model,
    load_backend,
)
from django.contrib.auth.models import AnonymousUser
from django.utils import timezone
from django.utils.crypto import constant_time_compare


def read_sessions(keys: Iterable[str]) -> dict[str, dict[str, Any]]:
    """Return the data of the sessions that are valid, by key.

    With an engine in the database, runs one query.
    """
    store: Any = import_module(settings.SESSION_ENGINE).SessionStore
    if hasattr(store, "get_model_class"):
        rows = store.get_model_class().objects.in_bulk(list(keys))
        now = timezone.now()
        sessions = {key: row.get_decoded() for key, row in rows.items() if row.expire_date > now}
    else:
        sessions = {key: store(key).load() for key in keys}
    return {key: data for key, data in sessions.items() if SESSION_KEY in data}


def session_user(key: str | None) -> Any:
    """Return the user of the session `key`; anonymous if it has ended."""
    data = read_sessions([key]).get(key) if key else None
    if data is None or data[BACKEND_SESSION_KEY] not in settings.AUTHENTICATION_BACKENDS:
        return AnonymousUser()
    user = load_backend(data[BACKEND_SESSION_KEY]).get_user(user_id_in(data))
    return user if user is not None and is_current(data, user) else AnonymousUser()


def user_id_in(data: dict[str, Any]) -> Any:
    """Return the primary key of the session's user."""
    return get_user_model()._meta.pk.to_python(data[SESSION_KEY])


def is_current(data: dict[str, Any], user: Any) -> bool:
    """Return whether the session was begun with the user's present password.

    Its hash may be made with a key in `SECRET_KEY_FALLBACKS`.
    """
    if not hasattr(user, "get_session_auth_hash"):
        return True
    stored = data.get(HASH_SESSION_KEY, "")
    hashes = [user.get_session_auth_hash(), *user.get_session_auth_fallback_hash()]
    return any(constant_time_compare(stored, each) for each in hashes)
