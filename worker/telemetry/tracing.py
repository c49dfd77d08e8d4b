"""OpenTelemetry tracing: a span per run and per delivery, with ids and codes only.

It is off unless the extra `[otel]` is installed and OTEL_EXPORTER_OTLP_ENDPOINT is set; the SDK reads its own other
variables. When the process measures latencies (`worker.telemetry.latencies`), the same spans are measured for
Prometheus too, also without OpenTelemetry.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from worker.telemetry.latencies import note_outcome_of_span, timed_span

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import SpanProcessor, TracerProvider
    from opentelemetry.trace import Link

_EXPORT_TIMEOUT_S = 3
_provider: "TracerProvider | None" = None


def start_tracing() -> None:
    """Start to export spans of this process; call it after a fork, which the exporter's thread does not survive."""
    if not os.environ.get("OTEL_EXPORTER_OTLP_ENDPOINT"):
        return
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter  # noqa: PLC0415 - an extra
        from opentelemetry.sdk.trace.export import BatchSpanProcessor  # noqa: PLC0415 - an extra
    except ImportError:
        return
    # A collector that is down must not delay the end of a process.
    given_timeout = os.environ.get("OTEL_EXPORTER_OTLP_TIMEOUT")
    trace_with(BatchSpanProcessor(OTLPSpanExporter(timeout=None if given_timeout else _EXPORT_TIMEOUT_S)))


def trace_with(processor: "SpanProcessor") -> None:
    """Send the spans of this process to `processor`."""
    from opentelemetry.sdk.resources import Resource  # noqa: PLC0415 - an extra
    from opentelemetry.sdk.trace import TracerProvider  # noqa: PLC0415 - an extra

    global _provider  # noqa: PLW0603 - one per process, made after the fork
    name = os.environ.get("OTEL_SERVICE_NAME", "finmind-worker")
    _provider = TracerProvider(resource=Resource.create({"service.name": name}), shutdown_on_exit=False)
    _provider.add_span_processor(processor)


def stop_tracing() -> None:
    """Export the remaining spans, and stop."""
    global _provider
    provider, _provider = _provider, None
    if provider is not None:
        provider.shutdown()


@contextmanager
def span(name: str, ids: dict[str, str | int], *, caller: str | None = None) -> Iterator[None]:
    """Trace a block of code as one span.

    An exception ends the span as an error without its text, which may contain secrets.

    Args:
        caller: W3C traceparent of the request, which the span links to.
    """
    with timed_span(name):
        if _provider is None:
            yield
            return
        tracer = _provider.get_tracer("finmind.worker")
        with tracer.start_as_current_span(
            name, attributes=_named(ids), links=_links(caller), record_exception=False, set_status_on_exception=False
        ):
            try:
                yield
            except BaseException:
                note_outcome(failed=True)
                raise


def note_outcome(*, failed: bool, **codes: str | int | None) -> None:
    """Set on the current span how it ended.

    Args:
        failed: Whether it is an error.
        codes: States and codes from our own lists, the outcome first.
    """
    outcome = next(iter(codes.values()), None)
    if outcome is not None:
        note_outcome_of_span(str(outcome))
    if _provider is None:
        return
    from opentelemetry.trace import Status, StatusCode, get_current_span  # noqa: PLC0415 - an extra

    current = get_current_span()
    current.set_attributes(_named({name: code for name, code in codes.items() if code is not None}))
    current.set_status(Status(StatusCode.ERROR if failed else StatusCode.OK))


def current_traceparent() -> str | None:
    """Return the W3C traceparent of the current span; None outside of one, or without OpenTelemetry."""
    try:
        from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator  # noqa: PLC0415 - extra
    except ImportError:
        return None
    carrier: dict[str, str] = {}
    TraceContextTextMapPropagator().inject(carrier)
    return carrier.get("traceparent")


def _links(traceparent: str | None) -> "list[Link]":
    from opentelemetry.trace import Link, get_current_span  # noqa: PLC0415 - an extra
    from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator  # noqa: PLC0415 - an extra

    carrier = {"traceparent": traceparent or ""}
    context = get_current_span(TraceContextTextMapPropagator().extract(carrier)).get_span_context()
    return [Link(context)] if traceparent and context.is_valid else []


def _named(attributes: dict[str, str | int]) -> dict[str, str | int]:
    return {f"finmind.{name}": value for name, value in attributes.items()}
