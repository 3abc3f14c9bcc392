"""The exercise token."""
