"""A project with every technique and nothing else: no database, no user, no Redis, no setting
of `transports`."""

SECRET_KEY = "for an example"
ALLOWED_HOSTS = ["localhost", "127.0.0.1"]
INSTALLED_APPS = ["transports", "polling", "longpoll", "streaming", "websocket"]
