"""Limits on use, seen by callers: rates, overload, streams, calls that never end, and the drain."""

import resource
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import grpc
import pytest
from google.rpc.error_details_pb2 import ErrorInfo, RetryInfo
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc
from grpc_status import rpc_status

from authz_service.errors import AuthzError, ErrorReason
from authz_service.gen.authz.v1 import authorization_pb2 as pb
from authz_service.gen.authz.v1 import role_grant_pb2, tenant_pb2
from authz_service.gen.authz.v1.authorization_pb2_grpc import AuthorizationServiceStub
from authz_service.rpc.admission import LimitSettings
from authz_service.rpc.parking import Call
from authz_service.rpc.room import RoomSettings
from authz_service.rpc.server import Port, PortSettings
from authz_service.serving.call_stats import Observation
from tests.rpc.account import Account
from tests.rpc.harness import PATIENCE, Server, serving

QUESTION = pb.CheckRequest(tenant="acme", subject="user:alice", permission="invoices:view")
SLOW = pb.CheckRequest(tenant="slow")
QUICK = pb.CheckRequest(tenant="quick")
_ROOMY = RoomSettings()
LIST = tenant_pb2.ListTenantsRequest()


class Told(NamedTuple):
    """What a caller that is refused is told."""

    code: grpc.StatusCode
    reason: str
    retry_after: float
    call_id: str
    metadata: dict[str, str]


def told(error: Any) -> Told:
    """Read a refusal; one without our details fails."""
    status = rpc_status.from_call(error)
    assert status is not None, f"no details: {error.code()} {error.details()}"
    info, retry = ErrorInfo(), RetryInfo()
    for detail in status.details:
        assert detail.Unpack(info) or detail.Unpack(retry)
    facts = dict(info.metadata)
    after = retry.retry_delay.ToTimedelta().total_seconds()
    return Told(error.code(), info.reason, after, facts.pop("call_id"), facts)


def refused(call: Callable[[], object]) -> Told:
    with pytest.raises(grpc.RpcError) as raised:
        call()
    return told(raised.value)


def until(condition: Callable[[], bool]) -> None:
    """Wait for what must come."""
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline, "it never came"
        time.sleep(0.005)


class Gate:
    """A servicer whose slow calls go on when they are let."""

    def __init__(self) -> None:
        self.entered = threading.Semaphore(0)
        self.inside = 0
        self.let = threading.Semaphore(0)

    def Check(self, request: pb.CheckRequest, context: Any) -> pb.CheckResponse:
        if request.tenant == "slow":
            self.inside += 1
            self.let.acquire()
        return pb.CheckResponse(allowed=True)

    def __getattr__(self, rpc: str) -> Callable[..., Any]:
        return lambda request, context: None


class Opened(NamedTuple):
    """A port with the gate behind it."""

    port: Port
    gate: Gate
    channel: grpc.Channel

    def slow(self, channel: grpc.Channel | None = None) -> Any:
        stub = AuthorizationServiceStub(channel or self.channel)
        return stub.Check.future(SLOW, timeout=PATIENCE)

    def quick(self, channel: grpc.Channel | None = None) -> pb.CheckResponse:
        stub = AuthorizationServiceStub(channel or self.channel)
        return stub.Check(QUICK, timeout=PATIENCE)

    def another_channel(self) -> grpc.Channel:
        return _channel(self.port.number)


def _channel(number: int) -> grpc.Channel:
    own = (("grpc.use_local_subchannel_pool", 1),)
    return grpc.insecure_channel(f"127.0.0.1:{number}", own)


class Anybody:
    """Lets everybody in, under one name."""

    def judge(
        self, call: Call, let_in: Callable[[str], None], refuse: Callable[[AuthzError], None]
    ) -> None:
        let_in("anybody")


@contextmanager
def opened(
    *,
    threads: int = 1,
    max_waiting: int = 2,
    max_streams: int = 1000,
    room: RoomSettings = _ROOMY,
) -> Iterator[Opened]:
    limits = LimitSettings(
        threads=threads,
        max_waiting=max_waiting,
        max_queue_seconds=PATIENCE,
        max_seconds=30.0,
        per_second=0,
        room=room,
    )
    settings = PortSettings("127.0.0.1", 0, limits, 1 << 20, max_streams, 256)
    service, gate = pb.DESCRIPTOR.services_by_name["AuthorizationService"], Gate()
    port = Port(settings, {service: gate}, lambda: "id", Observation("x"), lambda: 0, Anybody())
    port.start()
    port.set_serving(serving=True)
    with _channel(port.number) as channel:
        yield Opened(port, gate, channel)
        for _ in range(100):
            gate.let.release()
    port.stop(PATIENCE)


def test_caller_beyond_its_rate_is_told_so_and_when_to_come_back(tmp_path: Path) -> None:
    with serving(tmp_path, rate_checks_per_second=0.001) as server:
        other = server.caller(server.new_key("authz.operator"))
        assert server.operator.checks.Check(QUESTION).revision
        found = refused(lambda: server.operator.checks.Check(QUESTION))
        assert found.code is grpc.StatusCode.RESOURCE_EXHAUSTED
        assert (found.reason, found.metadata) == (ErrorReason.RATE_LIMITED, {"rate": "0.001"})
        assert 900 < found.retry_after <= 1000
        assert other.checks.Check(QUESTION).revision
        assert server.operator.tenants.ListTenants(LIST).revision


def test_wrong_keys_use_up_nothing_of_a_good_one(tmp_path: Path) -> None:
    with serving(tmp_path, rate_checks_per_second=0.001) as server:
        guess = server.caller(server.operator_key[:-1] + "?")
        for _ in range(3):
            found = refused(lambda: guess.checks.Check(QUESTION))
            assert found.reason == ErrorReason.CREDENTIALS_INVALID
        assert server.operator.checks.Check(QUESTION).revision


def test_changes_have_a_rate_of_their_own_and_a_refused_one_leaves_no_trace(tmp_path: Path) -> None:
    with serving(tmp_path, rate_changes_per_second=0.001) as server:
        assert server.new_key("authz.operator")
        before = server.footprint()
        asked = tenant_pb2.OnboardTenantRequest(tenant="acme", tier="free")
        assert refused(lambda: server.operator.call(asked)).reason == ErrorReason.RATE_LIMITED
        assert server.footprint() == before
        assert [server.operator.checks.Check(QUESTION).revision for _ in range(3)]


def test_each_item_of_a_bulk_change_counts(tmp_path: Path) -> None:
    with serving(tmp_path, rate_changes_per_second=20) as server:
        Account(server, "acme").onboard("free", ada=["admin"])
        grants = [
            role_grant_pb2.RoleGrant(
                tenant="acme", subject="user:ada", role="viewer", scope=f"project:{n}"
            )
            for n in range(200)
        ]
        ends = [
            role_grant_pb2.RoleRevocation(
                tenant="acme", subject="user:ada", role="viewer", scope=each.scope
            )
            for each in grants
        ]
        new = [tenant_pb2.NewTenant(tenant=f"acme-{n}", tier="free") for n in range(200)]
        bulk = (
            role_grant_pb2.BatchGrantRolesRequest(role_grants=grants),
            role_grant_pb2.BatchRevokeRolesRequest(revocations=ends),
            tenant_pb2.BatchOnboardTenantsRequest(tenants=new),
        )
        callers = [server.caller(server.new_key("authz.operator")) for _ in bulk]
        for caller, asked in zip(callers, bulk, strict=True):
            caller.call(asked)
            found = refused(partial(caller.call, LIST))
            assert found.reason == ErrorReason.RATE_LIMITED
            assert 5 < found.retry_after < 10


def test_full_line_refuses_at_once_and_those_in_it_are_served() -> None:
    with opened(threads=1, max_waiting=2) as at:
        served = [at.slow()]
        until(lambda: at.gate.inside == 1)
        served += [at.slow(), at.slow()]
        until(lambda: at.port.waiting == 2)
        for _ in range(20):
            found = refused(at.quick)
            assert found.code is grpc.StatusCode.RESOURCE_EXHAUSTED
            assert (found.reason, found.retry_after) == (ErrorReason.OVERLOADED, 1.0)
            assert found.call_id == "id"
        for _ in served:
            at.gate.let.release()
        assert all(call.result().allowed for call in served)
        assert at.quick().allowed
        counts = at.port.observed.times()["AuthorizationService.Check", "RESOURCE_EXHAUSTED"]
        assert sum(counts[0]) == at.port.admission.refusals.shed == 20


def test_health_and_reflection_answer_while_calls_are_shed() -> None:
    with opened(threads=1, max_waiting=1) as at:
        calls = [at.slow()]
        until(lambda: at.gate.inside == 1)
        calls.append(at.slow())
        until(lambda: at.port.waiting == 1)
        assert refused(at.quick).reason == ErrorReason.OVERLOADED
        health: Any = health_pb2_grpc.HealthStub(at.channel)
        asked = health_pb2.HealthCheckRequest()
        assert health.Check(asked, timeout=PATIENCE).status == 1
        assert next(health.Watch(asked, timeout=PATIENCE)).status == 1
        ask = reflection_pb2.ServerReflectionRequest(list_services="")
        reflecting: Any = reflection_pb2_grpc.ServerReflectionStub(at.channel)
        (answer,) = reflecting.ServerReflectionInfo(iter([ask]), timeout=PATIENCE)
        assert len(answer.list_services_response.service) == 3


def test_connection_carries_only_so_many_calls_at_once() -> None:
    with opened(threads=4, max_streams=2) as at, at.another_channel() as another:
        at.quick()  # the settings of the connection have come by now
        calls = [at.slow() for _ in range(3)]
        until(lambda: at.gate.inside == 2)
        assert at.quick(another).allowed
        assert (at.gate.inside, at.port.waiting) == (2, 0)
        at.gate.let.release()
        until(lambda: at.gate.inside == 3)
        for _ in calls:
            at.gate.let.release()
        assert all(call.result().allowed for call in calls)


def test_calls_whose_message_never_comes_hold_no_thread_and_end_with_a_reason() -> None:
    never = threading.Event()

    def nothing() -> Iterator[bytes]:
        never.wait()
        yield from ()

    room = RoomSettings(message_seconds=0.3)
    with opened(threads=1, room=room) as at:
        call: Any = at.channel.stream_unary("/authz.v1.AuthorizationService/Check")
        held = [call.future(nothing()) for _ in range(8)]
        until(lambda: len(at.port.admission.room) == len(held))
        assert at.quick().allowed
        assert {told(each.exception()).reason for each in held} == {"MESSAGE_NOT_RECEIVED"}
        never.set()
        until(lambda: not len(at.port.admission.room))


def test_caller_with_too_many_idle_calls_loses_its_oldest_and_nobody_elses() -> None:
    never = threading.Event()

    def nothing() -> Iterator[bytes]:
        never.wait()
        yield from ()

    with opened(threads=1, room=RoomSettings(idle=3, message_seconds=PATIENCE)) as at:
        call: Any = at.channel.stream_unary("/authz.v1.AuthorizationService/Check")
        held = []
        for count in range(1, 4):
            held.append(call.future(nothing()))
            until(lambda count=count: len(at.port.admission.room) == count)  # type: ignore[misc]
        held.append(call.future(nothing()))
        found = told(held[0].exception())
        assert (found.reason, found.retry_after) == ("TOO_MANY_OPEN_CALLS", 1.0)
        assert at.quick().allowed
        never.set()


@pytest.mark.parametrize("content", [b"\xff\xff\xff", b"\x0a\xff"])
def test_bytes_that_are_no_message_are_refused_with_a_reason(
    server: Server, content: bytes
) -> None:
    for channel, rpc in (
        (server.operator.check_channel, "AuthorizationService/Check"),
        (server.operator.admin_channel, "TenantService/ListTenants"),
    ):
        raw: Any = channel.unary_unary(f"/authz.v1.{rpc}")
        found = refused(lambda raw=raw: raw(content, timeout=PATIENCE))  # type: ignore[misc]
        assert (found.code, found.reason) == (
            grpc.StatusCode.INVALID_ARGUMENT,
            ErrorReason.INVALID_FIELD,
        )


def test_drain_refuses_new_calls_and_lets_running_ones_end() -> None:
    with opened(threads=2) as at, at.another_channel() as another:
        running = at.slow()
        until(lambda: at.gate.inside == 1)
        stopping = threading.Thread(target=at.port.stop, args=(PATIENCE,))
        stopping.start()
        until(lambda: _unavailable(at, another))
        assert _unavailable(at, at.channel)
        assert not running.done()
        at.gate.let.release()
        assert running.result().allowed
        stopping.join()


def test_drain_that_takes_too_long_cuts_what_still_runs() -> None:
    with opened(threads=2) as at:
        running = at.slow()
        until(lambda: at.gate.inside == 1)
        at.port.stop(0)
        assert running.code() in (grpc.StatusCode.CANCELLED, grpc.StatusCode.UNAVAILABLE)


def _unavailable(at: Opened, channel: grpc.Channel) -> bool:
    try:
        at.quick(channel)
    except grpc.RpcError as error:
        if error.code() is not grpc.StatusCode.UNAVAILABLE:
            raise
        return True
    return False


SECONDS = 3.0
THREADS, WAITING = 2, 6


def test_overload_at_three_times_capacity_sheds_with_a_reason_and_grows_nothing(
    tmp_path: Path,
) -> None:
    with serving(tmp_path, check_threads=THREADS, max_waiting=WAITING) as server:
        server.operator.checks.Check(QUESTION)
        flood = Flood(server, 3 * (THREADS + WAITING))
        flood.run(SECONDS / 3)
        threads, memory = threading.active_count(), _most_memory()
        flood.run(2 * SECONDS / 3)
        assert threading.active_count() <= threads + 3  # gRPC's own, on the callers' side
        assert _most_memory() - memory < 32 << 20
        assert flood.answered
        assert flood.shed
        assert flood.longest_line <= WAITING
        assert server.operator.checks.Check(QUESTION).revision


class Flood:
    """So many calls at once, again and again, each time as soon as all are answered."""

    def __init__(self, server: Server, at_once: int) -> None:
        self._server, self._at_once = server, at_once
        self.answered = self.shed = self.longest_line = 0
        self._health: Any = health_pb2_grpc.HealthStub(server.checks)

    def run(self, seconds: float) -> None:
        port, ends = self._server.service.check_port, time.monotonic() + seconds
        while time.monotonic() < ends:
            calls = [self._server.operator.checks.Check.future(QUESTION)
                     for _ in range(self._at_once)]  # fmt: skip
            self.longest_line = max(self.longest_line, port.waiting)
            for call in calls:
                self._count(call)
            alive = self._health.Check(health_pb2.HealthCheckRequest(), timeout=PATIENCE)
            assert alive.status == 1

    def _count(self, call: Any) -> None:
        error = call.exception()
        if error is None:
            self.answered += 1
            return
        found = told(error)
        assert (found.code, found.retry_after) == (grpc.StatusCode.RESOURCE_EXHAUSTED, 1.0)
        assert found.reason == ErrorReason.OVERLOADED
        self.shed += 1


def _most_memory() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
