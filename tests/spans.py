"""The spans this process makes, kept in memory for a test."""

from collections.abc import Iterator
from contextlib import contextmanager

from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from worker.telemetry.tracing import stop_tracing, trace_with


@contextmanager
def recorded_spans() -> Iterator[InMemorySpanExporter]:
    exporter = InMemorySpanExporter()
    trace_with(SimpleSpanProcessor(exporter))
    try:
        yield exporter
    finally:
        stop_tracing()
