"""Routes of the task endpoints, and of the channel that wakes workers."""

from channels.routing import ChannelNameRouter
from django.urls import re_path

from .consumers import CHANNEL, TaskConsumer
from .endpoint import TasksEndpoint, TaskStatusEndpoint

http_urlpatterns = [
    re_path(r"^tasks/$", TasksEndpoint.as_asgi()),
    re_path(r"^tasks/(?P<task>[^/]+)/$", TaskStatusEndpoint.as_asgi()),
]
channels = ChannelNameRouter({CHANNEL: TaskConsumer.as_asgi()})
