"""A Django project with an endpoint of django-eventstream and a view that sends an event."""
