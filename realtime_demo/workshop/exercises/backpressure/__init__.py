"""The exercise backpressure."""
