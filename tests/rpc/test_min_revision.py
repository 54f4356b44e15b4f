"""A caller that saw a revision is never answered from before it."""

import threading
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.rpc.error_details_pb2 import ErrorInfo
from grpc_status import rpc_status

from authz_service.errors import ErrorReason
from authz_service.gen.authz.v1 import authorization_pb2 as checks
from authz_service.gen.authz.v1 import key_pb2, subscription_pb2
from tests.rpc.account import Account
from tests.rpc.conftest import fresh_name
from tests.rpc.harness import PATIENCE, Caller, Server, refusal, serving

CHECKS = (
    checks.CheckRequest(),
    checks.BatchCheckRequest(questions=[checks.Question()]),
    checks.CheckPermissionsRequest(permissions=["invoices:view"]),
    checks.ListSubjectPermissionsRequest(),
    checks.ListSubjectsRequest(permission="invoices:view"),
    checks.GetEntitlementsRequest(),
    checks.CheckLimitRequest(usage=checks.Usage(limit="seats")),
    checks.ExplainRequest(),
)


@pytest.fixture
def pair(tmp_path: Path) -> Iterator[tuple[Server, Server]]:
    """Serve one database twice: what one commits, the other reads from the change log."""
    with (
        serving(tmp_path, poll_seconds=0.01) as one,
        serving(tmp_path, poll_seconds=0.01) as another,
    ):
        yield one, another


class Waiting:
    """A check that waits for a revision which is yet to come."""

    def __init__(
        self, server: Server, request: checks.CheckRequest, caller: Caller | None = None
    ) -> None:
        self._pool = ThreadPoolExecutor(1)
        entered = threading.Event()
        with pytest.MonkeyPatch.context() as patch:
            replica = server.service.replica
            wait_for = replica.wait_for

            def watched(revision: int, seconds: float) -> Any:
                entered.set()
                return wait_for(revision, seconds)

            patch.setattr(replica, "wait_for", watched)
            check = (caller or server.operator).checks.Check
            self._answer: Future[checks.CheckResponse] = self._pool.submit(check, request)
            assert entered.wait(PATIENCE)

    def result(self) -> checks.CheckResponse:
        try:
            return self._answer.result(PATIENCE)
        finally:
            self._pool.shutdown()


def ada_exports(account: Account, min_revision: int) -> checks.CheckRequest:
    return checks.CheckRequest(
        tenant=account.id,
        subject="user:ada",
        permission="invoices:export",
        min_revision=min_revision,
    )


def test_check_at_the_revision_of_ones_own_change_is_answered_at_once(account: Account) -> None:
    changed = account.onboard(ada=["admin"]).revision
    answer = account.operator.checks.Check(ada_exports(account, changed))
    assert answer.allowed
    assert answer.revision == changed


def test_older_demand_is_answered_from_the_newest_revision(account: Account) -> None:
    changed = account.onboard(ada=["admin"]).revision
    assert account.operator.checks.Check(ada_exports(account, 1)).revision == changed


@pytest.fixture(scope="module")
def impatient(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Account]:
    """Serve an account by a server that lets nobody wait for long."""
    with serving(tmp_path_factory.mktemp("impatient"), max_deadline=0.05) as server:
        account = Account(server, "acme")
        account.onboard(ada=["admin"])
        yield account


@pytest.mark.parametrize("request_", CHECKS, ids=lambda message: message.DESCRIPTOR.name)
def test_revision_that_does_not_come_is_refused(impatient: Account, request_: Any) -> None:
    asked = type(request_)()
    asked.CopyFrom(request_)
    asked.min_revision = impatient.server.revision + 1000
    for each in [*getattr(asked, "questions", ()), asked]:
        for name, value in {"tenant": impatient.id, "subject": "user:ada"}.items():
            if name in each.DESCRIPTOR.fields_by_name:
                setattr(each, name, value)
    found = impatient.server.refuses(asked, ErrorReason.REVISION_NOT_REACHED, at="min_revision")
    assert found.metadata == {"revision": str(impatient.server.revision)}
    assert "try again" in found.message


def test_caller_hears_so_before_its_own_deadline(account: Account) -> None:
    account.onboard(ada=["admin"])
    asked = ada_exports(account, account.server.revision + 1000)
    found = refusal(lambda: account.operator.checks.Check(asked, timeout=2.0))
    assert found.reason == ErrorReason.REVISION_NOT_REACHED


def test_check_waits_for_a_change_that_another_process_makes(
    pair: tuple[Server, Server], request: pytest.FixtureRequest
) -> None:
    one, another = pair
    account = Account(one, fresh_name(request.node.name))
    waiting = Waiting(another, ada_exports(account, one.revision + 1))
    changed = account.onboard(ada=["admin"]).revision
    answer = waiting.result()
    assert (answer.allowed, answer.revision) == (True, changed)


def test_check_that_waited_sees_that_the_tenant_has_ended(account: Account) -> None:
    account.onboard(ada=["admin"])
    waiting = Waiting(account.server, ada_exports(account, account.server.revision + 1))
    account.offboard()
    answer = waiting.result()
    assert answer.reason == checks.DECISION_REASON_TENANT_OFFBOARDED


def test_check_that_waited_is_refused_if_its_key_was_revoked_meanwhile(account: Account) -> None:
    server = account.server
    account.onboard(ada=["admin"])
    key = server.operator.keys.CreateKey(
        key_pb2.CreateKeyRequest(key=key_pb2.Key(roles=["authz.checker"]))
    )
    request = ada_exports(account, server.revision + 1)
    waiting = Waiting(server, request, server.caller(key.credential))
    server.operator.keys.RevokeKey(key_pb2.RevokeKeyRequest(id=key.key.id))
    found = refusal(waiting.result)
    assert found.reason == ErrorReason.CREDENTIALS_INVALID


def test_calls_that_wait_leave_threads_to_those_that_need_not(account: Account) -> None:
    head = account.onboard(ada=["editor"]).revision
    ahead = ada_exports(account, head + 1)
    with ThreadPoolExecutor(16) as pool:
        calls = [pool.submit(outcome, account, ahead) for _ in range(16)]
        while sum(call.done() for call in calls) < 12:
            waited_for = wait([c for c in calls if not c.done()], PATIENCE, FIRST_COMPLETED)
            assert waited_for.done
        assert account.reason("ada", "invoices:view") == "ALLOWED"
        account.operator.subscriptions.SetTier(
            subscription_pb2.SetTierRequest(tenant=account.id, tier="enterprise")
        )
        outcomes = Counter(call.result(PATIENCE) for call in calls)
    assert outcomes == {"answered": 4, ErrorReason.REVISION_NOT_REACHED: 12}


def outcome(account: Account, request: checks.CheckRequest) -> str:
    try:
        account.operator.checks.Check(request, timeout=PATIENCE)
    except grpc.RpcError as error:
        status = rpc_status.from_call(error)  # type: ignore[arg-type]  # it is a call as well
        info = ErrorInfo()
        assert status is not None
        assert status.details[0].Unpack(info)
        return info.reason
    return "answered"
