"""The exercise disconnect."""
