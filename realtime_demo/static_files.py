"""Static files by the server itself, where no nginx is in front of it."""

from __future__ import annotations

from django.contrib.staticfiles.handlers import ASGIStaticFilesHandler
from django.core.exceptions import SuspiciousFileOperation
from django.http import FileResponse, Http404, HttpRequest, HttpResponse


class StaticFiles(ASGIStaticFilesHandler):
    """Django's handler, to which a path that leads out of its folders is one that is not there.

    Django's own raises then: it is meant for development, behind a middleware that would know.
    """

    def serve(self, request: HttpRequest) -> HttpResponse | FileResponse:
        try:
            return super().serve(request)
        except (SuspiciousFileOperation, ValueError) as error:  # or a path with a NUL in it
            raise Http404 from error
