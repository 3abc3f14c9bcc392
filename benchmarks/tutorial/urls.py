"""The view for polling: an ordinary Django view that never has new events."""

from django.http import HttpRequest, JsonResponse
from django.urls import path


def poll(request: HttpRequest, room: str) -> JsonResponse:
    return JsonResponse({"room": room, "cursor": request.GET.get("since", ""), "events": []})


urlpatterns = [path("polling/<slug:room>/", poll)]
