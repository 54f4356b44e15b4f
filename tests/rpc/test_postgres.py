"""What only PostgreSQL could do otherwise: bytes it cannot store, and processes that share it."""

import base64
import json
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final

import pytest
from google.protobuf.message import Message

from authz_service.app import door
from authz_service.errors import ErrorReason
from authz_service.gen.authz.v1 import authorization_pb2 as checks
from authz_service.gen.authz.v1 import role_grant_pb2, subscription_pb2, tenant_pb2
from authz_service.gen.authz.v1.suspension_pb2 import SUSPENSION_REASON_BILLING as BILLING
from authz_service.rpc.messages.values import instant
from tests.postgres import fresh_database
from tests.rpc.account import Account
from tests.rpc.conftest import fresh_name
from tests.rpc.harness import Server, made, refusal, serving
from tests.rpc.requests import CHANGES, made_ready
from tests.rpc.trail import broken

NUL: Final = "a\x00b"
YEAR: Final = 31_536_000_000_000


class SetClock:
    """A clock that somebody sets."""

    def __init__(self) -> None:
        self.ahead = 0
        self._now = door.now

    def __call__(self) -> int:
        return self._now() + self.ahead


@pytest.fixture
def acme(postgres_served: Server, request: pytest.FixtureRequest) -> Account:
    account = Account(postgres_served, fresh_name(request.node.name))
    account.onboard("professional", ada=["admin"])
    return account


@pytest.fixture
def pair(
    tmp_path: Path, postgres_base_url: str, migrated_postgres: str
) -> Iterator[tuple[Server, Server]]:
    """Serve one database twice, with a poll so slow that only a wake-up can come in time."""
    with (
        fresh_database(postgres_base_url, template=migrated_postgres) as url,
        serving(tmp_path, database_url=url, poll_seconds=600.0) as one,
        serving(tmp_path, database_url=url, poll_seconds=600.0) as another,
    ):
        yield one, another


ASKED: Final = {"tenant": "acme", "subject": "user:ada", "permission": "invoices:view"}
NULS: Final[dict[str, Callable[[str], Message]]] = {
    **{
        f"explain-{field}": lambda of, field=field: made(  # type: ignore[misc]
            checks.ExplainRequest, **(ASKED | {"tenant": of, field: NUL})
        )
        for field in (*ASKED, "scope")
    },
    "grant-id": lambda of: role_grant_pb2.GetRoleGrantRequest(tenant=of, id=NUL),
    "revoke-subject": lambda of: role_grant_pb2.RevokeRoleRequest(tenant=of, subject=f"user:{NUL}"),
    "revoke-scope": lambda of: role_grant_pb2.RevokeRoleRequest(
        tenant=of, subject="user:ada", role="admin", scope=NUL
    ),
    "list-subject": lambda of: role_grant_pb2.ListRoleGrantsRequest(
        tenant=of, subject=f"user:{NUL}"
    ),
    "list-role": lambda of: role_grant_pb2.ListRoleGrantsRequest(tenant=of, role=NUL),
    "request-id": lambda of: subscription_pb2.SetTierRequest(tenant=of, request_id=NUL),
    "reason": lambda of: subscription_pb2.SetTierRequest(tenant=of, reason=NUL),
    "tenant": lambda _: tenant_pb2.GetTenantRequest(tenant=NUL),
}


@pytest.mark.parametrize("build", NULS.values(), ids=NULS)
def test_nul_is_refused_before_it_reaches_the_database(
    acme: Account, build: Callable[[str], Message]
) -> None:
    before = acme.server.footprint()
    found = refusal(lambda: acme.operator.call(build(acme.id)))
    assert found.reason in (ErrorReason.INVALID_IDENTIFIER, ErrorReason.INVALID_FIELD)
    assert acme.server.footprint() == before


def test_page_token_with_a_nul_is_refused(acme: Account) -> None:
    acme.grant("ada", "viewer")
    request = role_grant_pb2.ListRoleGrantsRequest(tenant=acme.id, page_size=1)
    page = acme.operator.role_grants.ListRoleGrants(request)
    history, token = page.next_page_token.split(".")
    digest, _ = json.loads(base64.urlsafe_b64decode(token))
    forged = base64.urlsafe_b64encode(json.dumps([digest, NUL]).encode()).decode()
    request.page_token = f"{history}.{forged}"
    acme.server.refuses(request, ErrorReason.INVALID_PAGE_TOKEN, at="page_token")


@pytest.mark.sweep
@pytest.mark.parametrize("name", CHANGES)
def test_retry_gets_the_first_answer(
    postgres_served: Server, request: pytest.FixtureRequest, name: str
) -> None:
    ready = made_ready(Account(postgres_served, fresh_name(request.node.name)))
    asked = CHANGES[name](ready)
    asked.request_id = ready.id  # type: ignore[attr-defined]
    first = postgres_served.operator.call(asked)
    before = postgres_served.footprint()
    again = postgres_served.operator.call(asked)
    assert (again.revision, postgres_served.footprint()) == (first.revision, before)


def test_change_of_one_process_wakes_the_other(pair: tuple[Server, Server]) -> None:
    one, another = pair
    changed = Account(one, "acme").onboard("free", ada=["admin"]).revision
    asked = made(checks.CheckRequest, **ASKED, min_revision=changed)
    assert another.operator.checks.Check(asked).allowed


def test_both_processes_change_at_once_without_a_gap(pair: tuple[Server, Server]) -> None:
    accounts = [Account(server, f"acme-{at}") for at, server in enumerate(pair)]
    first = max(account.onboard("enterprise").revision for account in accounts)
    with ThreadPoolExecutor(4) as pool:
        answers = pool.map(lambda n: accounts[n % 2].add(f"u{n}", "viewer"), range(40))
    revisions = sorted(answer.revision for answer in answers)
    assert revisions == list(range(first + 1, first + 41))
    assert broken(pair[0]) == []


def test_server_a_year_ahead_of_its_database_commits_nothing_and_decides_by_its_time(
    tmp_path: Path, postgres_base_url: str, migrated_postgres: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = SetClock()
    monkeypatch.setattr(door, "now", clock)
    with (
        fresh_database(postgres_base_url, template=migrated_postgres) as url,
        serving(tmp_path, database_url=url) as server,
    ):
        account = Account(server, "acme")
        account.onboard("professional", ada=["admin"])
        clock.ahead = YEAR
        request = tenant_pb2.SuspendTenantRequest(tenant="acme", suspension_reason=BILLING)
        refused = server.refuses(request, ErrorReason.CLOCK_AHEAD)
        assert float(refused.metadata["seconds"]) > YEAR / 1_000_000 - 60
        server.service.replica.catch_up()
        answer = server.operator.checks.Check(made(checks.CheckRequest, **ASKED))
        assert instant(answer.as_of_time) < clock() - YEAR / 2
        clock.ahead = 0
        assert account.add("vera", "viewer").revision == server.revision
