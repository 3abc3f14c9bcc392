"""Static files served by the ASGI server, without nginx."""

from __future__ import annotations

from django.contrib.staticfiles.handlers import ASGIStaticFilesHandler
from django.core.exceptions import SuspiciousFileOperation
from django.http import FileResponse, Http404, HttpRequest, HttpResponse


class StaticFiles(ASGIStaticFilesHandler):
    """Django's handler, which also answers 404 for a path outside the static folders.

    Django's own raises an exception: it relies on a middleware of the development server.
    """

    def serve(self, request: HttpRequest) -> HttpResponse | FileResponse:
        try:
            return super().serve(request)
        except (SuspiciousFileOperation, ValueError) as error:  # ValueError: a NUL in the path
            raise Http404 from error
