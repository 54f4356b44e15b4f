"""A caller that saw a revision is never answered from before it."""

import threading
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from authz_service.errors import ErrorReason
from authz_service.gen.authz.v1 import authorization_pb2 as checks
from authz_service.gen.authz.v1 import key_pb2
from tests.rpc.account import Account
from tests.rpc.conftest import fresh_name
from tests.rpc.harness import PATIENCE, Caller, Server, refusal, serving

CHECKS = (
    checks.CheckRequest(),
    checks.BatchCheckRequest(questions=[checks.Question()]),
    checks.CheckPermissionsRequest(permissions=["invoices:view"]),
    checks.ListPermissionsRequest(),
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


@pytest.mark.parametrize("request_", CHECKS, ids=lambda message: message.DESCRIPTOR.name)
def test_revision_that_does_not_come_is_refused_before_the_deadline(
    account: Account, request_: Any
) -> None:
    account.onboard(ada=["admin"])
    asked = type(request_)()
    asked.CopyFrom(request_)
    asked.min_revision = account.server.revision + 1000
    for each in [*getattr(asked, "questions", ()), asked]:
        for name, value in {"tenant": account.id, "subject": "user:ada"}.items():
            if name in each.DESCRIPTOR.fields_by_name:
                setattr(each, name, value)
    found = refusal(lambda: account.operator.call(asked, timeout=0.3))
    assert (found.reason, found.field) == (ErrorReason.REVISION_NOT_REACHED, "min_revision")
    assert found.metadata == {"revision": str(account.server.revision)}


def test_demand_never_waits_longer_than_the_server_allows(tmp_path: Path) -> None:
    with serving(tmp_path, max_deadline=0.05) as server:
        account = Account(server, "acme")
        account.onboard(ada=["admin"])
        found = refusal(lambda: server.operator.checks.Check(ada_exports(account, 1000)))
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
    key = server.operator.keys.CreateKey(key_pb2.CreateKeyRequest(roles=["checker"]))
    request = ada_exports(account, server.revision + 1)
    waiting = Waiting(server, request, server.caller(key.credential))
    server.operator.keys.RevokeKey(key_pb2.RevokeKeyRequest(id=key.key.id))
    found = refusal(waiting.result)
    assert found.reason == ErrorReason.CREDENTIALS_INVALID
