"""The exercise sse."""
