"""Routes: `/events/<room>/` streams a room's events; a POST to `/publish/<room>/` sends one."""

import json

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
