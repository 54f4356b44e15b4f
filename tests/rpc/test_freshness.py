"""Answers say up to when they are complete and of which history; what is too old is refused."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import grpc
import pytest
from grpc_health.v1.health_pb2 import HealthCheckRequest, HealthCheckResponse
from grpc_health.v1.health_pb2_grpc import HealthStub
from sqlalchemy import update

from authz_service.app import door
from authz_service.errors import ErrorReason
from authz_service.gen.authz.v1 import authorization_pb2 as checks
from authz_service.gen.authz.v1 import permission_pb2, tenant_pb2
from authz_service.rpc.messages.values import instant
from authz_service.store import schema
from tests.conformance.outages import eventually
from tests.rpc.account import Account
from tests.rpc.harness import Server, refusal, serving
from tests.rpc.test_min_revision import CHECKS, ada_exports

DAY = 86_400.0


class Elapsed:
    """Uptime that a test can let pass."""

    def __init__(self) -> None:
        self.ahead = 0.0

    def __call__(self) -> float:
        return uptime() + self.ahead


uptime = door.elapsed


@pytest.fixture
def elapsed(monkeypatch: pytest.MonkeyPatch) -> Elapsed:
    passing = Elapsed()
    monkeypatch.setattr(door, "elapsed", passing)
    return passing


@pytest.fixture
def account(tmp_path: Path, elapsed: Elapsed) -> Iterator[Account]:
    """Serve a server that reads its database only when it is asked to."""
    with serving(tmp_path, poll_seconds=DAY, max_deadline=2.0) as server:
        account = Account(server, "acme")
        account.onboard(ada=["admin"])
        server.service.replica.catch_up()
        yield account


def check(account: Account, **demands: Any) -> checks.CheckResponse:
    request = ada_exports(account, 0)
    for name, value in demands.items():
        if name == "max_staleness":
            request.max_staleness.FromTimedelta(timedelta(seconds=value))
        else:
            setattr(request, name, value)
    return account.operator.checks.Check(request)


def serves(server: Server) -> bool:
    health: Any = HealthStub(server.checks)
    return bool(health.Check(HealthCheckRequest()).status == HealthCheckResponse.SERVING)


@pytest.mark.parametrize("request_", CHECKS, ids=lambda message: message.DESCRIPTOR.name)
def test_every_answer_says_up_to_when_it_is_complete_and_of_which_history(
    account: Account, request_: Any
) -> None:
    asked = type(request_)()
    asked.CopyFrom(request_)
    for each in [*getattr(asked, "questions", ()), asked]:
        for name, value in {"tenant": account.id, "subject": "user:ada"}.items():
            if name in each.DESCRIPTOR.fields_by_name:
                setattr(each, name, value)
        if "permission" in each.DESCRIPTOR.fields_by_name:
            each.permission = "invoices:view"
    answer = account.operator.call(asked)
    replica = account.server.service.replica
    assert instant(answer.as_of_time) == replica.complete.at <= door.now()
    assert answer.history == replica.tip.history.id != ""
    assert not answer.stale


@pytest.mark.parametrize("demands", [{"latest": True}, {"max_staleness": 0.5}])
def test_demand_is_met_by_reading_the_database(
    account: Account, elapsed: Elapsed, demands: dict[str, Any]
) -> None:
    before = check(account)
    elapsed.ahead += 5
    assert check(account).as_of_time == before.as_of_time
    assert instant(check(account, **demands).as_of_time) > instant(before.as_of_time)


def test_demand_that_is_met_already_costs_no_reading(account: Account, elapsed: Elapsed) -> None:
    before = check(account)
    elapsed.ahead += 5
    assert check(account, max_staleness=30.0).as_of_time == before.as_of_time


def test_latest_knows_what_another_process_committed(tmp_path: Path, elapsed: Elapsed) -> None:
    with (
        serving(tmp_path, poll_seconds=DAY) as one,
        serving(tmp_path, poll_seconds=DAY) as another,
    ):
        account = Account(one, "acme")
        account.onboard(ada=["admin"])
        there = Account(another, "acme")
        assert check(there, latest=True).allowed
        account.offboard()
        assert check(there).allowed
        assert check(there, latest=True).reason == checks.DECISION_REASON_TENANT_OFFBOARDED


def test_demand_that_cannot_be_met_is_refused(
    account: Account, elapsed: Elapsed, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(account.server.service.replica, "catch_up", lambda: 1 // 0)
    elapsed.ahead += 5
    refused = refusal(lambda: check(account, latest=True))
    assert (refused.reason, refused.field) == (ErrorReason.REPLICA_STALE, "max_staleness")
    assert float(refused.metadata["age_seconds"]) >= 5


def test_negative_demand_is_no_demand(account: Account) -> None:
    refused = refusal(lambda: check(account, max_staleness=-1.0))
    assert (refused.reason, refused.field) == (ErrorReason.INVALID_FIELD, "max_staleness")


def test_what_is_too_old_is_refused_and_the_port_says_so(
    account: Account, elapsed: Elapsed
) -> None:
    server = account.server
    elapsed.ahead += 59
    assert check(account).allowed
    elapsed.ahead += 2
    refused = refusal(lambda: check(account))
    assert (refused.code, refused.reason) == (
        grpc.StatusCode.UNAVAILABLE,
        ErrorReason.REPLICA_STALE,
    )
    eventually(lambda: not serves(server), "NOT_SERVING")
    server.service.replica.catch_up()
    assert check(account).allowed
    eventually(lambda: serves(server), "SERVING")


def test_what_is_too_old_is_answered_and_marked_where_that_is_set(
    tmp_path: Path, elapsed: Elapsed
) -> None:
    with serving(tmp_path, poll_seconds=DAY, stale_checks="answer") as server:
        account = Account(server, "acme")
        account.onboard(ada=["admin"])
        elapsed.ahead += DAY
        answer = check(account)
        assert answer.allowed
        assert answer.stale
        assert serves(server)


def test_administration_trusts_nobody_by_what_is_older_than_ten_seconds(
    account: Account, elapsed: Elapsed
) -> None:
    elapsed.ahead += 9
    account.operator.tenants.GetTenant(tenant_pb2.GetTenantRequest(tenant=account.id))
    elapsed.ahead += 2
    request = tenant_pb2.GetTenantRequest(tenant=account.id)
    refused = refusal(lambda: account.operator.tenants.GetTenant(request))
    assert refused.reason == ErrorReason.REPLICA_STALE


def begins_a_history(server: Server) -> str:
    """Let a server's database look restored; return the history that it was in."""
    before = server.service.replica.tip.history.id
    with server.service.database.engine.begin() as connection:
        connection.execute(update(schema.head).values(copy="another"))
    server.service.store.heads.check_history()
    server.service.replica.catch_up()
    return before


def test_revision_of_another_history_is_refused(account: Account) -> None:
    revision, before = account.server.revision, begins_a_history(account.server)
    answer = check(account, min_revision=revision)
    assert answer.allowed
    assert answer.history not in ("", before)
    refused = refusal(lambda: check(account, min_revision=revision + 1))
    assert refused.code is grpc.StatusCode.FAILED_PRECONDITION
    assert (refused.reason, refused.field) == (
        ErrorReason.REVISION_OF_OTHER_HISTORY,
        "min_revision",
    )
    assert refused.metadata == {"history": answer.history}
    explaining = checks.ExplainRequest(
        tenant=account.id,
        subject="user:ada",
        permission="invoices:export",
        as_known_at=revision + 1,
    )
    refused = refusal(lambda: account.operator.checks.Explain(explaining))
    assert (refused.reason, refused.field) == (
        ErrorReason.REVISION_OF_OTHER_HISTORY,
        "as_known_at",
    )


def test_page_of_another_history_is_begun_anew(account: Account) -> None:
    request = permission_pb2.ListPermissionsRequest(page_size=1)
    ask = account.operator.permissions.ListPermissions
    request.page_token = ask(request).next_page_token
    assert ask(request).next_page_token
    begins_a_history(account.server)
    refused = refusal(lambda: ask(request))
    assert (refused.reason, refused.field) == (ErrorReason.INVALID_PAGE_TOKEN, "page_token")


def test_changes_go_on_in_the_new_history(account: Account) -> None:
    begins_a_history(account.server)
    account.offboard()
    assert check(account).reason == checks.DECISION_REASON_TENANT_OFFBOARDED


def test_clock_that_is_set_back_revives_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    behind = 0
    now = door.now
    monkeypatch.setattr(door, "now", lambda: now() - behind)
    with serving(tmp_path) as server:
        account = Account(server, "acme")
        account.onboard(ada=["admin"])
        before = instant(check(account).as_of_time)
        behind = 3_600_000_000
        server.service.replica.catch_up()
        assert instant(check(account).as_of_time) > before
