"""The exercise proxy."""
