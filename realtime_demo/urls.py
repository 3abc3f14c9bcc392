"""URLs of Django's views. The techniques are ASGI applications, mounted in asgi.py."""

from django.conf import settings
from django.contrib import admin
from django.contrib.auth.views import LogoutView
from django.urls import include, path, re_path
from django.views.generic import RedirectView

from transports.auth.views import LimitedLoginView

from .web.technique_pages import PAGES
from .web.theory import theory
from .web.views import clock, demo_page, script_texts, technique_page

languages = "|".join(dict(settings.LANGUAGES))

urlpatterns = [
    path("", demo_page, name="page"),
    path("clock/", clock, name="clock"),
    re_path(rf"^texts/(?P<language>{languages})[.]js$", script_texts, name="script-texts"),
    path("theory/", theory),
    path("login/", LimitedLoginView.as_view(), name="login"),
    # One login view, which limits failed attempts.
    path("admin/login/", RedirectView.as_view(pattern_name="login", query_string=True)),
    path("admin/", admin.site.urls),
    path("", include("transports.urls")),
    path("", include("background.urls")),
    path("logout/", LogoutView.as_view(), name="logout"),
    re_path(rf"^(?P<app>{'|'.join(PAGES)})/$", technique_page, name="technique"),
]
if settings.STAGE_SOCKET:
    urlpatterns.append(path("stage/", include("realtime_demo.demo.urls")))
handler400 = "realtime_demo.web.views.bad_request"
handler403 = "realtime_demo.web.views.forbidden"
handler404 = "realtime_demo.web.views.not_found"
handler500 = "realtime_demo.web.views.server_error"
