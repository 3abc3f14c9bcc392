"""Where tasks are started and asked for, and which channel wakes the workers."""

from channels.routing import ChannelNameRouter
from django.urls import re_path

from .consumers import CHANNEL, TaskConsumer
from .endpoint import TasksConsumer, TaskStatusConsumer

http_urlpatterns = [
    re_path(r"^tasks/$", TasksConsumer.as_asgi()),
    re_path(r"^tasks/(?P<task>[^/]+)/$", TaskStatusConsumer.as_asgi()),
]
channels = ChannelNameRouter({CHANNEL: TaskConsumer.as_asgi()})
