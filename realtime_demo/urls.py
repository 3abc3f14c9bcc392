"""What Django itself answers. The techniques are ASGI applications, mounted in asgi.py."""

from django.contrib.auth.views import LogoutView
from django.urls import include, path, re_path

from transports.auth.views import LimitedLoginView

from .page import clock, page, strict_content_security_policy
from .technique_pages import PAGES, technique_page

urlpatterns = [
    path("", page, name="page"),
    path("clock/", clock, name="clock"),
    path("login/", strict_content_security_policy(LimitedLoginView.as_view()), name="login"),
    path("", include("transports.urls")),
    path("logout/", LogoutView.as_view(), name="logout"),
    re_path(rf"^(?P<app>{'|'.join(PAGES)})/$", technique_page, name="technique"),
]
handler400 = "realtime_demo.errors.bad_request"
handler403 = "realtime_demo.errors.forbidden"
handler404 = "realtime_demo.errors.not_found"
handler500 = "realtime_demo.errors.server_error"
