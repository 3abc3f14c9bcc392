"""The exercise reader."""
