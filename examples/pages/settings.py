"""Settings of four pages that show a room; `npm ci` installs htmx."""

from pathlib import Path

NODE_MODULES = Path(__file__).resolve().parents[2] / "node_modules"
SECRET_KEY = "for an example"
ALLOWED_HOSTS = ["localhost", "127.0.0.1"]
INSTALLED_APPS = [
    "django.contrib.staticfiles",
    "transports",
    "streaming",
    "websocket",
    "examples.pages",
]
MIDDLEWARE = ["django.middleware.csrf.CsrfViewMiddleware"]
ROOT_URLCONF = "examples.pages.urls"
TEMPLATES = [{"BACKEND": "django.template.backends.django.DjangoTemplates", "APP_DIRS": True}]
STATIC_URL = "static/"
STATICFILES_DIRS = [
    ("htmx", NODE_MODULES / "htmx.org" / "dist"),
    ("htmx-ext-sse", NODE_MODULES / "htmx-ext-sse" / "dist"),
    ("htmx-ext-ws", NODE_MODULES / "htmx-ext-ws" / "dist"),
]
