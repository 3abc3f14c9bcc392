"""Trace context of OpenTelemetry, from a publish to its deliveries."""

from __future__ import annotations

from time import time_ns

from opentelemetry import trace
from opentelemetry.propagate import extract, inject

from transports.events import Batch, Draft
from transports.telemetry import Meter, Telemetry

NANOSECONDS = 1_000_000_000


class TracingMeter(Meter):
    """Ends a span at each delivery, beside another meter."""

    def __init__(self, technique: str, meter: Meter) -> None:
        self.attributes = {"realtime.technique": technique}
        self.meter = meter

    def opened(self) -> None:
        self.meter.opened()

    def closed(self) -> None:
        self.meter.closed()

    def delivered(self, batch: Batch, *, live: bool = True) -> None:
        self.meter.delivered(batch, live=live)
        if not live:
            return
        tracer = trace.get_tracer("realtime")
        for event in batch.events:
            if event.traceparent is not None:
                span = tracer.start_span(
                    f"deliver {event.room}",
                    extract({"traceparent": event.traceparent}),
                    trace.SpanKind.CONSUMER,
                    self.attributes | {"messaging.message.id": event.id},
                    start_time=int(event.published_at * NANOSECONDS),
                )
                span.end(time_ns())


class Tracing(Telemetry):
    """Spans of publishes and deliveries; the events carry the publish's context.

    A base class before another `Telemetry`, which it extends.
    """

    def meter(self, technique: str) -> Meter:
        return TracingMeter(technique, super().meter(technique))

    def traced(self, draft: Draft) -> Draft:
        carrier: dict[str, str] = {}
        kind = trace.SpanKind.PRODUCER
        with trace.get_tracer("realtime").start_as_current_span(f"publish {draft.room}", kind=kind):
            inject(carrier)
        return draft._replace(traceparent=carrier.get("traceparent"))
