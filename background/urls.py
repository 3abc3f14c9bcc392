"""URLs of tasks."""

from django.urls import path

from .views import task_status, tasks

urlpatterns = [path("tasks/", tasks), path("tasks/<str:task>/", task_status)]
