"""Traces: one span a call, in the caller's trace, about the call and about nobody."""

import builtins
from collections.abc import Iterator
from concurrent import futures
from pathlib import Path
from typing import Any, NamedTuple

import grpc
import pytest
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2, trace_service_pb2_grpc
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode

from authz_service.app.service import Service
from authz_service.config import Settings
from authz_service.errors import AuthzError
from authz_service.gen.authz.v1 import authorization_pb2 as checks
from authz_service.serving import tracing
from tests.rpc.account import Account
from tests.rpc.conftest import fresh_name
from tests.rpc.harness import Server, refusal, serving

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
PARENT = "00f067aa0ba902b7"
SOMEBODY = "alice-of-acme"
EXPORTING_TO = tracing.exporting_to


class Traced(NamedTuple):
    """A server that traces, and where its spans are."""

    server: Server
    spans: InMemorySpanExporter

    def since_now(self) -> InMemorySpanExporter:
        self.spans.clear()
        return self.spans


@pytest.fixture(scope="module")
def traced(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Traced]:
    spans = InMemorySpanExporter()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tracing, "exporting_to", lambda _: SimpleSpanProcessor(spans))
        with serving(tmp_path_factory.mktemp("traced"), otlp_endpoint="http://none") as started:
            yield Traced(started, spans)


@pytest.fixture
def acme(traced: Traced, request: pytest.FixtureRequest) -> Account:
    account = Account(traced.server, fresh_name(request.node.name))
    account.onboard("professional", **{SOMEBODY: ["admin"]})
    return account


def only(spans: InMemorySpanExporter) -> ReadableSpan:
    (span,) = spans.get_finished_spans()
    return span


def told(span: ReadableSpan) -> dict[str, Any]:
    return dict(span.attributes or {})


def test_check_is_one_span_with_code_reason_and_revision(traced: Traced, acme: Account) -> None:
    spans = traced.since_now()
    answer = acme.ask(SOMEBODY, "invoices:view")
    span = only(spans)
    assert (span.name, span.kind) == ("authz.v1.AuthorizationService/Check", SpanKind.SERVER)
    about = told(span)
    assert about.pop("authz.call_id")
    assert about == {
        "rpc.system": "grpc",
        "rpc.service": "authz.v1.AuthorizationService",
        "rpc.method": "Check",
        "rpc.grpc.status_code": 0,
        "authz.code": "OK",
        "authz.reason": "ALLOWED",
        "authz.revision": answer.revision,
    }
    assert span.start_time is not None
    assert span.end_time is not None
    assert 0 < span.end_time - span.start_time < 60e9
    assert span.resource.attributes["service.name"] == "authz-service"


def test_change_is_one_span_with_the_revision_it_made(traced: Traced, acme: Account) -> None:
    spans = traced.since_now()
    acme.suspend()
    span = only(spans)
    assert span.name == "authz.v1.TenantService/SuspendTenant"
    assert told(span)["authz.revision"] == traced.server.revision


def test_span_joins_the_trace_of_its_caller(traced: Traced, acme: Account) -> None:
    key = ("authorization", f"Bearer {traced.server.operator_key}")
    caller = traced.server.caller_with(key, ("traceparent", f"00-{TRACE}-{PARENT}-01"))
    spans = traced.since_now()
    asked = checks.CheckRequest(tenant=acme.id, subject="user:x", permission="invoices:view")
    caller.checks.Check(asked)
    span = only(spans)
    assert span.context is not None
    assert span.parent is not None
    assert f"{span.context.trace_id:032x}" == TRACE
    assert f"{span.parent.span_id:016x}" == PARENT


def test_caller_that_does_not_sample_is_not_traced(traced: Traced, acme: Account) -> None:
    key = ("authorization", f"Bearer {traced.server.operator_key}")
    caller = traced.server.caller_with(key, ("traceparent", f"00-{TRACE}-{PARENT}-00"))
    spans = traced.since_now()
    asked = checks.CheckRequest(tenant=acme.id, subject="user:x", permission="invoices:view")
    caller.checks.Check(asked)
    assert spans.get_finished_spans() == ()


@pytest.mark.parametrize("sent", ["", "00-zz-zz-01", "x" * 4000])
def test_malformed_trace_context_is_as_if_not_sent(
    traced: Traced, acme: Account, sent: str
) -> None:
    key = ("authorization", f"Bearer {traced.server.operator_key}")
    caller = traced.server.caller_with(key, ("traceparent", sent), ("tracestate", sent))
    spans = traced.since_now()
    asked = checks.CheckRequest(tenant=acme.id, subject="user:x", permission="invoices:view")
    caller.checks.Check(asked)
    assert only(spans).parent is None


def test_refusal_is_told_with_code_and_reason_and_is_no_error_of_ours(
    traced: Traced, acme: Account
) -> None:
    spans = traced.since_now()
    assert refusal(lambda: acme.grant(SOMEBODY, "nothing")).reason == "ROLE_NOT_FOUND"
    span = only(spans)
    about = told(span)
    assert (about["authz.code"], about["authz.reason"]) == ("NOT_FOUND", "ROLE_NOT_FOUND")
    assert about["rpc.grpc.status_code"] == grpc.StatusCode.NOT_FOUND.value[0]
    assert span.status.status_code is StatusCode.UNSET


def test_fault_of_ours_is_an_error_span_without_what_went_wrong(
    traced: Traced, acme: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: Any) -> None:
        raise RuntimeError(f"user:{SOMEBODY} broke it")

    monkeypatch.setattr(traced.server.service.explainer, "explain", broken)
    spans = traced.since_now()
    assert refusal(lambda: acme.explain(SOMEBODY, "invoices:view")).reason == "INTERNAL"
    span = only(spans)
    assert span.status.status_code is StatusCode.ERROR
    assert (span.status.description, span.events) == (None, ())


def test_no_span_holds_a_key_a_customer_or_a_person(traced: Traced, acme: Account) -> None:
    spans = traced.since_now()
    acme.ask(SOMEBODY, "invoices:view")
    acme.grant(SOMEBODY, "viewer")
    refusal(lambda: acme.grant("nobody at all", "viewer"))
    shown = " ".join(span.to_json() for span in spans.get_finished_spans())
    assert len(spans.get_finished_spans()) == 3
    key_id, secret = traced.server.operator_key.split("_")[2:]
    for private in (secret, key_id, acme.id, SOMEBODY, "nobody at all", "Bearer"):
        assert private not in shown


class Collector(trace_service_pb2_grpc.TraceServiceServicer):
    """Receives what is exported, as an OpenTelemetry collector does."""

    def __init__(self) -> None:
        self.names: list[str] = []

    def Export(self, request: Any, context: grpc.ServicerContext) -> Any:
        self.names += [
            span.name
            for resource in request.resource_spans
            for scope in resource.scope_spans
            for span in scope.spans
        ]
        return trace_service_pb2.ExportTraceServiceResponse()


def test_spans_reach_a_collector_before_the_service_has_stopped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tracing, "exporting_to", EXPORTING_TO)
    collector = Collector()
    server = grpc.server(futures.ThreadPoolExecutor(1))
    add = trace_service_pb2_grpc.add_TraceServiceServicer_to_server
    add(collector, server)  # type: ignore[no-untyped-call]
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    with serving(tmp_path, otlp_endpoint=f"http://127.0.0.1:{port}") as started:
        Account(started, "acme").onboard("free")
    assert collector.names == ["authz.v1.TenantService/OnboardTenant"]
    server.stop(None).wait()


def test_traces_without_their_packages_are_refused_at_the_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    importing = builtins.__import__

    def missing(name: str, *how: Any) -> Any:
        if name == "authz_service.serving.tracing":
            raise ImportError("No module named 'opentelemetry'", name="opentelemetry")
        return importing(name, *how)

    monkeypatch.setattr(builtins, "__import__", missing)
    settings = Settings(
        database_url=f"sqlite:///{tmp_path}/authz.db", otlp_endpoint="http://127.0.0.1:4317"
    )
    with pytest.raises(AuthzError, match=r"opentelemetry: install authz-service\[otel\]") as raised:
        Service(settings)
    assert raised.value.field == "AUTHZ_OTLP_ENDPOINT"
    assert list(tmp_path.iterdir()) == []
