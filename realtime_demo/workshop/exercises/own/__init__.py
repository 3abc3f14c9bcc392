"""The exercise own."""
