"""Settings as `startproject` and the tutorial leave them; with REDIS_URL the layer is in Redis."""

import os
from typing import Any

SECRET_KEY = "for benchmarks alone"
ALLOWED_HOSTS = ["127.0.0.1", "localhost"]
INSTALLED_APPS = [
    "daphne",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
]
MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]
ROOT_URLCONF = "benchmarks.tutorial.urls"
DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}}
USE_TZ = True

REDIS_URL = os.environ.get("REDIS_URL", "")
# The tutorial's capacity of 100 silently drops most of a burst.
CAPACITY = 100_000
LAYER: dict[str, Any]
if REDIS_URL:
    # socket_timeout: see https://github.com/django/channels_redis/issues/422
    LAYER = {
        "BACKEND": "channels_redis.core.RedisChannelLayer",
        "CONFIG": {
            "hosts": [{"address": REDIS_URL, "socket_timeout": 15}],
            "prefix": "tutorial",
            "capacity": CAPACITY,
        },
    }
else:
    LAYER = {
        "BACKEND": "channels.layers.InMemoryChannelLayer",
        "CONFIG": {"capacity": CAPACITY},
    }
CHANNEL_LAYERS = {"default": LAYER}
