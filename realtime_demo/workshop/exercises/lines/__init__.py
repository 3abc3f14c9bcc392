"""The exercise lines."""
