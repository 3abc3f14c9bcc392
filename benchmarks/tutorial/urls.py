"""Where a client polls: an ordinary view, which has nothing new to tell."""

from django.http import HttpRequest, JsonResponse
from django.urls import path


def poll(request: HttpRequest, room: str) -> JsonResponse:
    return JsonResponse({"room": room, "cursor": request.GET.get("since", ""), "events": []})


urlpatterns = [path("polling/<slug:room>/", poll)]
