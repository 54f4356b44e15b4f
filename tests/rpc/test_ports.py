"""Health, reflection, the way out, and what an unexpected error leaves as."""

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic, sleep
from typing import Any, Final

import grpc
import pytest
import structlog
from grpc_health.v1.health_pb2 import HealthCheckRequest, HealthCheckResponse
from grpc_health.v1.health_pb2_grpc import HealthStub
from grpc_reflection.v1alpha.reflection_pb2 import ServerReflectionRequest
from grpc_reflection.v1alpha.reflection_pb2_grpc import ServerReflectionStub
from structlog.testing import capture_logs

from authz_service.errors import ErrorReason, FailedPrecondition, Unavailable
from authz_service.gen.authz.v1 import authorization_pb2 as checks
from authz_service.gen.authz.v1 import key_pb2, tenant_pb2
from authz_service.gen.authz.v1.key_pb2_grpc import KeyServiceStub
from authz_service.serving import logs
from authz_service.usecases.callers import keys, keys_now
from authz_service.usecases.decisions import decider
from authz_service.usecases.tenants import onboarding, tenant_view
from tests.rpc.account import Account
from tests.rpc.harness import PATIENCE, Server, made, refusal, serving
from tests.services import SERVICES

SERVING: Final = HealthCheckResponse.SERVING
NOT_SERVING: Final = HealthCheckResponse.NOT_SERVING
ON_CHECKS: Final = ["authz.v1.AuthorizationService"]
ON_ADMIN: Final = sorted({each.full_name for each in SERVICES.values()} - {*ON_CHECKS})
SECRET: Final = "postgres://authz:hunter2@db/authz"


@pytest.fixture
def own(tmp_path: Path) -> Iterator[Server]:
    """Serve to one test, which may stop it."""
    with serving(tmp_path, poll_seconds=0.01, busy_seconds=0.1, drain_seconds=PATIENCE) as started:
        yield started


def health(channel: grpc.Channel, service: str = "") -> int:
    request = HealthCheckRequest(service=service)
    stub: Any = HealthStub(channel)
    return int(stub.Check(request, timeout=PATIENCE).status)


def reflect(channel: grpc.Channel, **question: str) -> Any:
    stub: Any = ServerReflectionStub(channel)
    request = made(ServerReflectionRequest, **question)
    return next(iter(stub.ServerReflectionInfo(iter([request]), timeout=PATIENCE)))


def eventually(channel: grpc.Channel, status: int) -> bool:
    """Poll health until it answers so, or patience ends."""
    deadline = monotonic() + PATIENCE
    while health(channel) != status and monotonic() < deadline:
        sleep(0.005)
    return health(channel) == status


@dataclass
class Held:
    """A read that does not return before it is let go."""

    entered: threading.Event = field(default_factory=threading.Event)
    let_go: threading.Event = field(default_factory=threading.Event)
    real: Callable[[Any, Any], Any] = tenant_view.tenant_now

    def tenant_now(self, tenant: Any, at: Any) -> Any:
        self.entered.set()
        assert self.let_go.wait(PATIENCE)
        return self.real(tenant, at)


@pytest.fixture
def held(own: Server, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Held, "Future[Any]"]]:
    """Hold a running GetTenant on the administration port."""
    Account(own, "acme").onboard("free", ada=["admin"])
    held = Held()
    monkeypatch.setattr(onboarding, "tenant_now", held.tenant_now)
    request = tenant_pb2.GetTenantRequest(tenant="acme")
    with ThreadPoolExecutor(1) as pool:
        answer = pool.submit(own.operator.tenants.GetTenant, request)
        assert held.entered.wait(PATIENCE)
        yield held, answer
        held.let_go.set()


@pytest.mark.parametrize("port", ["checks", "admin"])
def test_health_answers_as_a_whole_and_by_service(server: Server, port: str) -> None:
    services = {"checks": ON_CHECKS, "admin": ON_ADMIN}[port]
    for name in ("", *services):
        assert health(getattr(server, port), name) == SERVING


def test_health_does_not_know_the_services_of_the_other_port(server: Server) -> None:
    with pytest.raises(grpc.RpcError, match="NOT_FOUND"):
        health(server.checks, ON_ADMIN[0])


@pytest.mark.parametrize("port", ["checks", "admin"])
def test_reflection_lists_the_services_and_describes_them(server: Server, port: str) -> None:
    services = {"checks": ON_CHECKS, "admin": ON_ADMIN}[port]
    listed = reflect(getattr(server, port), list_services="").list_services_response.service
    ours = sorted(each.name for each in listed if each.name.startswith("authz."))
    assert ours == services
    for name in services:
        described = reflect(getattr(server, port), file_containing_symbol=name)
        assert described.file_descriptor_response.file_descriptor_proto


def test_service_of_one_port_is_not_answered_on_the_other(server: Server) -> None:
    metadata = (("authorization", f"Bearer {server.operator_key}"),)
    with pytest.raises(grpc.RpcError, match="UNIMPLEMENTED"):
        KeyServiceStub(server.checks).ListKeys(
            key_pb2.ListKeysRequest(), metadata=metadata, timeout=PATIENCE
        )


def test_check_port_goes_on_while_the_administration_port_drains(
    own: Server, held: tuple[Held, "Future[Any]"]
) -> None:
    stopping = threading.Thread(target=own.service.admin_port.stop, args=(PATIENCE,))
    stopping.start()
    try:
        assert Account(own, "acme").may("ada", "invoices:view")
        assert health(own.checks) == SERVING
        held[0].let_go.set()
        assert held[1].result(PATIENCE).tenant.id == "acme"
    finally:
        stopping.join(PATIENCE)
    assert Account(own, "acme").may("ada", "invoices:view")


def test_graceful_stop_lets_a_running_call_end_and_takes_no_new_one(
    own: Server, held: tuple[Held, "Future[Any]"]
) -> None:
    stub: Any = HealthStub(own.admin)
    watching = stub.Watch(HealthCheckRequest(), timeout=PATIENCE)
    assert next(watching).status == SERVING
    stopping = threading.Thread(target=own.service.stop)
    stopping.start()
    try:
        assert next(watching).status == NOT_SERVING
        watching.cancel()
        held[0].let_go.set()
        assert held[1].result(PATIENCE).tenant.id == "acme"
    finally:
        stopping.join(PATIENCE)
    with pytest.raises(grpc.RpcError, match="UNAVAILABLE"):
        own.operator.keys.ListKeys(key_pb2.ListKeysRequest(), timeout=PATIENCE)


def test_call_that_outlasts_the_drain_is_cut(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    let_go = threading.Event()
    with serving(tmp_path, drain_seconds=0.05) as server:
        Account(server, "acme").onboard("free")
        entered = threading.Event()

        def stuck(tenant: Any, at: Any) -> Any:
            entered.set()
            let_go.wait(PATIENCE)

        monkeypatch.setattr(onboarding, "tenant_now", stuck)
        request = tenant_pb2.GetTenantRequest(tenant="acme")
        with ThreadPoolExecutor(1) as pool:
            answer = pool.submit(server.operator.tenants.GetTenant, request)
            assert entered.wait(PATIENCE)
            server.service.admin_port.stop(0.05)
            with pytest.raises(grpc.RpcError):
                answer.result(PATIENCE)
        let_go.set()


def test_administration_says_not_serving_while_the_database_does_not_answer(
    own: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    Account(own, "acme").onboard("free", ada=["admin"])

    def down() -> None:
        raise Unavailable(ErrorReason.DATABASE_UNAVAILABLE, "down")

    with monkeypatch.context() as patch:
        patch.setattr(own.service.replica, "catch_up", down)
        assert eventually(own.admin, NOT_SERVING)
        assert health(own.checks) == SERVING
        assert Account(own, "acme").may("ada", "invoices:view")
    assert eventually(own.admin, SERVING)


def test_change_waits_for_a_locked_database_and_then_says_unavailable(own: Server) -> None:
    account = Account(own, "acme")
    account.onboard("free", ada=["admin"])
    with own.service.database.write():
        found = refusal(lambda: account.set_tier("professional"))
        assert account.may("ada", "invoices:view")
    assert found.reason == ErrorReason.DATABASE_UNAVAILABLE
    assert "try again" in found.message
    assert "sqlite" not in found.message.lower()
    assert account.set_tier("professional").tenant.tier == "professional"


def test_server_refuses_a_database_that_is_behind(tmp_path: Path, postgres_url: str) -> None:
    with pytest.raises(FailedPrecondition) as refused, serving(tmp_path, database_url=postgres_url):
        pass
    assert refused.value.reason is ErrorReason.DATABASE_BEHIND
    assert "authz migrate" in refused.value.message


def test_taken_port_is_refused(own: Server, tmp_path: Path) -> None:
    taken = own.service.check_port.number
    with pytest.raises(OSError, match="is it taken"), serving(tmp_path / "2", check_port=taken):
        pass


def broken(*_: Any) -> Any:
    raise RuntimeError(SECRET)


@pytest.mark.parametrize("port", ["checks", "admin-read", "admin-change"])
def test_unexpected_error_is_a_bare_internal_logged_once(
    server: Server, monkeypatch: pytest.MonkeyPatch, port: str
) -> None:
    monkeypatch.setattr(decider, "reason", broken)
    monkeypatch.setattr(keys_now, "find", broken)
    monkeypatch.setattr(keys, "find", broken)
    request = {
        "checks": checks.CheckRequest(tenant="acme"),
        "admin-read": key_pb2.GetKeyRequest(id="key-1"),
        "admin-change": key_pb2.RevokeKeyRequest(id="key-1", request_id="r-1"),
    }[port]
    with capture_logs() as logs:
        found = server.refuses(request, ErrorReason.INTERNAL)
    (entry,) = (log for log in logs if log["log_level"] == "error")
    assert (entry["reason"], str(entry["exc_info"])) == ("INTERNAL", SECRET)
    assert entry["call_id"]
    assert "hunter2" not in str(found)
    assert "RuntimeError" not in str(found)


def test_call_id_of_a_refusal_is_that_of_its_log_line(server: Server) -> None:
    with capture_logs() as logs, pytest.raises(grpc.RpcError) as refused:
        server.operator.keys.RevokeKey(key_pb2.RevokeKeyRequest(id="key-1"))
    (entry,) = (log for log in logs if log["event"] == "call refused")
    error: Any = refused.value
    sent = dict(error.trailing_metadata())["grpc-status-details-bin"]
    assert entry["call_id"].encode() in sent
    assert (entry["rpc"], entry["reason"]) == ("KeyService.RevokeKey", ErrorReason.KEY_NOT_FOUND)


@pytest.mark.parametrize("log_format", ["text", "json"])
def test_log_of_an_unexpected_error_holds_no_secret(
    server: Server,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    log_format: str,
) -> None:
    monkeypatch.setattr(keys, "make_key", broken)
    before = structlog.get_config()
    try:
        logs.set_up(server.settings.log_level, log_format)
        refusal(lambda: server.new_key("authz.checker"))
    finally:
        structlog.configure(**before)
    logged = capfd.readouterr().err
    assert "RuntimeError" in logged
    assert "secret_hash=" not in logged
    assert server.operator_key.rpartition("_")[2] not in logged


def test_bytes_that_are_no_message_change_nothing(server: Server) -> None:
    metadata = (("authorization", f"Bearer {server.operator_key}"),)
    call: Any = server.admin.unary_unary("/authz.v1.TenantService/OnboardTenant")
    before = server.footprint()
    with pytest.raises(grpc.RpcError) as refused:
        call(b"\xff\xff\xff", metadata=metadata, timeout=PATIENCE)
    error: Any = refused.value
    assert error.code() in (grpc.StatusCode.INTERNAL, grpc.StatusCode.INVALID_ARGUMENT)
    assert server.footprint() == before
