"""Comparable libraries, each used as its documentation shows.

- `socket_io`: python-socketio on Uvicorn;
- `eventstream`: a Django project with django-eventstream, on Daphne and on Uvicorn;
- `environment`: the virtual environment that they run in.
"""

from typing import Any

# As `startproject` makes them.
SETTINGS: dict[str, Any] = {
    "SECRET_KEY": "for benchmarks alone",
    "ALLOWED_HOSTS": ["127.0.0.1", "localhost"],
    "INSTALLED_APPS": [
        "daphne",
        "django.contrib.auth",
        "django.contrib.contenttypes",
        "django.contrib.sessions",
        "django.contrib.messages",
    ],
    "MIDDLEWARE": [
        "django.middleware.security.SecurityMiddleware",
        "django.contrib.sessions.middleware.SessionMiddleware",
        "django.middleware.common.CommonMiddleware",
        "django.middleware.csrf.CsrfViewMiddleware",
        "django.contrib.auth.middleware.AuthenticationMiddleware",
        "django.contrib.messages.middleware.MessageMiddleware",
        "django.middleware.clickjacking.XFrameOptionsMiddleware",
    ],
    "DATABASES": {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}},
    "USE_TZ": True,
}
