"""Settings of a minimal project with every technique.

It has no database, no users, no Redis, and the default settings of `transports`.
"""

SECRET_KEY = "for an example"
ALLOWED_HOSTS = ["localhost", "127.0.0.1"]
INSTALLED_APPS = ["transports", "polling", "longpoll", "streaming", "websocket"]
