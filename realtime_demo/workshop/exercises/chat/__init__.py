"""The exercise chat."""
