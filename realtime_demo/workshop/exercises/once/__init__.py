"""The exercise once."""
