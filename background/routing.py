"""Where tasks are started and asked for, and which channel wakes the workers."""

from channels.routing import ChannelNameRouter
from django.urls import path

from .consumers import CHANNEL, TaskConsumer
from .endpoint import TasksConsumer, TaskStatusConsumer

http_urlpatterns = [
    path("tasks/", TasksConsumer.as_asgi()),
    path("tasks/<uuid:task>/", TaskStatusConsumer.as_asgi()),
]
channels = ChannelNameRouter({CHANNEL: TaskConsumer.as_asgi()})
