"""Exercises that check themselves: `manage.py exercise`."""
