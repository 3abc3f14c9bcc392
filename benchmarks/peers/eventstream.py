"""A Django project with an endpoint of django-eventstream and a view that sends an event."""
# ruff: noqa: E402 (Django is set up before its parts are imported)

import json

from django.conf import settings

from benchmarks.peers import SETTINGS

APPS = [*SETTINGS["INSTALLED_APPS"], "django_eventstream"]
settings.configure(**{**SETTINGS, "INSTALLED_APPS": APPS, "ROOT_URLCONF": __name__})

from django.core.asgi import get_asgi_application

application = get_asgi_application()

import django_eventstream
from django.http import HttpRequest, JsonResponse
from django.urls import include, path
from django.views.decorators.csrf import csrf_exempt


@csrf_exempt
def publish(request: HttpRequest, room: str) -> JsonResponse:
    django_eventstream.send_event(room, "message", {"text": json.loads(request.body)["text"]})
    return JsonResponse({}, status=201)


urlpatterns = [
    path("events/<room>/", include("django_eventstream.urls"), {"format-channels": ["{room}"]}),
    path("publish/<room>/", publish),
]
