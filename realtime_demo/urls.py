"""What Django itself answers. The techniques are ASGI applications, mounted in asgi.py."""

from django.contrib.auth.views import LogoutView
from django.urls import path

from transports.access.login import LimitedLoginView

from .page import clock, page, strict_content_security_policy

urlpatterns = [
    path("", page, name="page"),
    path("clock/", clock, name="clock"),
    path("login/", strict_content_security_policy(LimitedLoginView.as_view()), name="login"),
    path("logout/", LogoutView.as_view(), name="logout"),
]
