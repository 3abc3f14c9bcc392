"""The exercise heartbeat."""
