"""OpenTelemetry traces: one server span for each call, under the caller's span if it names one.

Imported only where traces are on: the packages are the extra `otel`.
"""

import threading
from collections.abc import Callable
from typing import Final

from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import SERVICE_NAME, Resource
from opentelemetry.sdk.trace import SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import SpanKind, Status, StatusCode
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from authz_service.domain.window import Instant
from authz_service.serving.call_stats import Ending

_W3C: Final = TraceContextTextMapPropagator()
_TRACE_CONTEXT: Final = frozenset({"traceparent", "tracestate"})

_CODES: Final = (
    "OK", "CANCELLED", "UNKNOWN", "INVALID_ARGUMENT", "DEADLINE_EXCEEDED", "NOT_FOUND",
    "ALREADY_EXISTS", "PERMISSION_DENIED", "RESOURCE_EXHAUSTED", "FAILED_PRECONDITION", "ABORTED",
    "OUT_OF_RANGE", "UNIMPLEMENTED", "INTERNAL", "UNAVAILABLE", "DATA_LOSS", "UNAUTHENTICATED",
)  # fmt: skip
"""By their numbers, as google.rpc.Code has them."""
_OUR_FAULT: Final = frozenset(
    {"UNKNOWN", "DEADLINE_EXCEEDED", "UNIMPLEMENTED", "INTERNAL", "UNAVAILABLE", "DATA_LOSS"}
)
"""Codes that make a server span an error (OpenTelemetry semantic conventions for gRPC)."""


def exporting_to(endpoint: str) -> SpanProcessor:
    """Send spans by OTLP over gRPC, in the background: `http://HOST:4317`, or https for TLS."""
    return BatchSpanProcessor(OTLPSpanExporter(endpoint=endpoint))


class Tracing:
    """Makes a span of each call that ended.

    It is made when its call ends, from what was noted at its start: nothing runs under it. What
    else can be set (sampler, headers, resource) is read from OTEL_* by OpenTelemetry itself.
    """

    def __init__(self, processor: SpanProcessor, clock: Callable[[], Instant]) -> None:
        self._provider = TracerProvider(resource=_resource(), shutdown_on_exit=False)
        self._provider.add_span_processor(processor)
        self._tracer = self._provider.get_tracer("authz_service")
        self._clock = clock

    def end(self, ending: Ending) -> None:
        """Record a call that has just ended."""
        until = self._clock() * 1000
        span = self._tracer.start_span(
            f"authz.v1.{ending.rpc.replace('.', '/')}",
            context=_context(ending),
            kind=SpanKind.SERVER,
            attributes=_attributes(ending),
            start_time=until - round(ending.seconds * 1e9),
        )
        if ending.code in _OUR_FAULT:
            span.set_status(Status(StatusCode.ERROR))
        span.end(until)

    def close(self, seconds: float = 5.0) -> None:
        """Send what was not sent yet; give up after `seconds`: a dead collector delays no stop."""
        sending = threading.Thread(target=self._provider.shutdown, daemon=True)
        sending.start()
        sending.join(seconds)


def _resource() -> Resource:
    """Describe this service, unless OTEL_SERVICE_NAME or OTEL_RESOURCE_ATTRIBUTES name it."""
    resource = Resource.create()
    service = str(resource.attributes[SERVICE_NAME])
    own = Resource({SERVICE_NAME: "authz-service"})
    return resource.merge(own) if service.startswith("unknown_service") else resource


def _context(ending: Ending) -> Context | None:
    """Read W3C trace context; what is malformed is as if not sent."""
    carrier = {name: str(value) for name, value in ending.metadata if name in _TRACE_CONTEXT}
    return _W3C.extract(carrier) if carrier else None


def _attributes(ending: Ending) -> dict[str, str | int]:
    """Describe a call without its caller's key and without anything it asked about."""
    service, _, method = ending.rpc.partition(".")
    attributes: dict[str, str | int] = {
        "rpc.system": "grpc",
        "rpc.service": f"authz.v1.{service}",
        "rpc.method": method,
        "rpc.grpc.status_code": _CODES.index(ending.code),
        "authz.code": ending.code,
        "authz.call_id": ending.call_id,
    }
    if ending.reason:
        attributes["authz.reason"] = ending.reason
    if ending.revision:
        attributes["authz.revision"] = ending.revision
    return attributes
