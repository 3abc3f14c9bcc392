"""Telemetry that counts for Prometheus, and traces with OpenTelemetry."""

from transports.operations.metrics import Prometheus
from transports.operations.tracing import Tracing


class TracedPrometheus(Tracing, Prometheus):  # type: ignore[misc]
    """The counters, and the spans of publishes and deliveries."""
