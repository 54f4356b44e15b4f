"""Whatever is changed, refused or read by an administrator can be shown to an auditor later."""

from functools import partial
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from authz_service.domain.key import digest
from authz_service.errors import ErrorReason
from authz_service.gen.authz.v1 import (
    key_pb2,
    member_pb2,
    role_grant_pb2,
    subscription_pb2,
    tier_pb2,
)
from authz_service.store import schema
from tests.rpc.account import Account
from tests.rpc.harness import Server, made, refusal, serving
from tests.rpc.requests import BESIDE_FACTS, CHANGES, READS, Ready, about, made_ready, names_tenant
from tests.rpc.trail import added, broken, entries, mark
from tests.services import PUT, RPCS

BY_ROW = {"ImportRules", "BatchOnboardTenants"}
"""Changes that answer for what they are asked one by one, and do not refuse the whole."""

GLOBAL = {"ApplyChangeset", "CreateKey"}
GLOBAL |= {"IngestBillingEvent", "RollBackTier", "MigrateTenants"}
GLOBAL |= {name for name in BESIDE_FACTS if RPCS[name].containing_service.name == "BillingService"}
GLOBAL |= {name for name in CHANGES if RPCS[name].containing_service.name == "BillingPolicyService"}
GLOBAL |= {"UpdateKey", "RotateKey", "RevokeKey", "CreateIdentity", "UpdateIdentity"}
GLOBAL |= {"DeleteIdentity", "CancelScheduledChangeset"}
GLOBAL |= {
    f"{verb}{kind}"
    for kind in ("Permission", "Tier", "AddOn", "Feature", "Limit")
    for verb in ("Create", "Put", "Update", "Delete")
}
ADMIN_READS = [
    name for name in READS if RPCS[name].containing_service.name != "AuthorizationService"
]


@pytest.fixture
def ready(account: Account) -> Ready:
    return made_ready(account)


@pytest.mark.sweep
@pytest.mark.parametrize("name", CHANGES)
def test_change_is_audited_in_its_own_revision(ready: Ready, name: str) -> None:
    server = ready.account.server
    request: Any = CHANGES[name](ready)
    request.request_id = f"{ready.id}-1"
    before = mark(server)
    answer = server.operator.call(request)
    found = added(server, before)
    assert found
    for entry in found:
        assert (entry["revision"], entry["outcome"]) == (answer.revision, "done")
        assert entry["actor"] == f"service:{server.operator_key.split('_')[2]}"
        assert entry["request_id"] == f"{ready.id}-1"
        assert entry["source_address"].startswith("ipv4:127.0.0.1")


@pytest.mark.sweep
@pytest.mark.parametrize("name", CHANGES)
def test_entry_stands_in_the_chain_of_the_tenant_that_it_is_about(ready: Ready, name: str) -> None:
    server, request = ready.account.server, CHANGES[name](ready)
    before = mark(server)
    server.operator.call(request)
    found_out = {
        "OnboardTenant": f"{ready.id}-new",
        "ReactivateTenant": f"{ready.id}-ended",
        "ResumeTenant": f"{ready.id}-suspended",
        "ApplyDowngradePolicy": f"{ready.id}-fallen",
        "BatchOnboardTenants": f"{ready.id}-taken-over",
        "IngestBillingEvent": ready.id,
        "ImportRules": f"{ready.id}-taken",
        "MigrateTenants": ready.id,  # asked of the tier, told of each tenant that is moved
    }
    expected = found_out.get(name, "system" if name in GLOBAL else ready.id)
    chains = {(entry["tenant"], entry["action"]) for entry in added(server, before)}
    # The first tenant that pins a version lets it be kept, which is a change of policy.
    chains -= {("system", "tier.version_kept")}
    # What the first import finds undeclared is declared and sold for all.
    if name == "ImportRules":
        chains -= {("system", "permission.created"), ("system", "tier.created")}
    assert {tenant for tenant, _ in chains} == {expected}


def test_entry_has_the_instant_of_its_revision(ready: Ready) -> None:
    server = ready.account.server
    answer = server.operator.call(CHANGES["SetTier"](ready))
    log = select(schema.change_log.c.at).where(schema.change_log.c.revision == answer.revision)
    audit = select(schema.audit_entry.c.at).where(schema.audit_entry.c.revision == answer.revision)
    with server.service.database.read() as connection:
        assert connection.execute(log).scalar_one() == connection.execute(audit).scalar_one()


def test_entry_tells_before_after_and_why(ready: Ready) -> None:
    server = ready.account.server
    before = mark(server)
    request: Any = CHANGES["SetTier"](ready)
    request.reason = "signed the contract"
    server.operator.call(request)
    (entry,) = added(server, before)
    assert entry["action"] == "tenant.tier_set"
    assert (entry["before"]["tier"], entry["after"]["tier"]) == ("professional", "enterprise")
    assert entry["reason"] == "signed the contract"
    assert entry["targets"] == [ready.id]


def test_reason_of_a_grant_is_the_reason_of_its_change(ready: Ready) -> None:
    server = ready.account.server
    before = mark(server)
    server.operator.call(CHANGES["GrantRole"](ready))
    (entry,) = added(server, before)
    assert (entry["action"], entry["reason"]) == ("role.granted", "work")


def test_every_part_of_a_step_has_its_entry(account: Account) -> None:
    before = mark(account.server)
    account.onboard("professional", ada=["admin", "viewer"], vera=[])
    actions = [entry["action"] for entry in added(account.server, before)]
    assert actions == [
        *("tenant.onboarded", "member.added", "role.granted", "role.granted", "member.added")
    ]


def test_removing_a_member_tells_every_grant_that_ended(ready: Ready) -> None:
    assert ready.grant
    before = mark(ready.account.server)
    ready.account.remove("vera")
    actions = [entry["action"] for entry in added(ready.account.server, before)]
    assert actions == ["role.revoked", "role.revoked", "member.removed"]


@pytest.mark.sweep
@pytest.mark.parametrize("name", CHANGES)
def test_dry_run_and_retry_leave_no_trace(ready: Ready, name: str) -> None:
    server = ready.account.server
    request: Any = CHANGES[name](ready)
    request.request_id = f"{ready.id}-2"
    request.validate_only = True
    before = mark(server)
    server.operator.call(request)
    assert added(server, before) == []
    request.validate_only = False
    server.operator.call(request)
    before = mark(server)
    server.operator.call(request)
    assert added(server, before) == []


@pytest.mark.parametrize("name", [name for name in CHANGES if name not in {*BY_ROW, *GLOBAL}])
def test_refused_change_is_audited_with_its_reason(ready: Ready, name: str) -> None:
    server = ready.account.server
    tenant = ready.id if name == "OnboardTenant" else "nowhere"
    request = about(CHANGES[name](ready), tenant)
    before = mark(server)
    found = refusal(lambda: server.operator.call(request))
    (entry,) = added(server, before)
    assert (entry["outcome"], entry["revision"]) == (found.reason, server.revision)
    assert entry["targets"][0] == f"tenant:{tenant}"
    assert entry["tenant"] == (tenant if tenant == ready.id else "system")


UNREADABLE = {
    "unknown-number": made(
        role_grant_pb2.GrantRoleRequest, role_grant={"tenant": "acme", "source": 99}
    ),
    "no-amount": made(
        tier_pb2.UpdateTierRequest, **PUT, tier={"id": "x", "limits": [{"name": "a"}]}
    ),
    "request-id": subscription_pb2.SetTierRequest(tenant="acme", request_id="é"),
    "long-reason": key_pb2.RevokeKeyRequest(id="x", reason="x" * 1001),
}


@pytest.mark.parametrize("request_", UNREADABLE.values(), ids=UNREADABLE)
def test_change_that_cannot_even_be_read_is_audited_as_refused(
    server: Server, request_: Any
) -> None:
    before = mark(server)
    found = refusal(lambda: server.operator.call(request_))
    (entry,) = added(server, before)
    assert entry["outcome"] == found.reason


@pytest.mark.parametrize("request_", UNREADABLE.values(), ids=UNREADABLE)
def test_dry_run_that_cannot_even_be_read_leaves_no_trace(server: Server, request_: Any) -> None:
    asked = type(request_).FromString(request_.SerializeToString())
    asked.validate_only = True
    before = mark(server)
    refusal(lambda: server.operator.call(asked))
    assert added(server, before) == []


HUGE = "x" * 100_000


def test_refusal_writes_no_more_than_a_name_can_have(server: Server) -> None:
    caller = server.caller(server.new_key("authz.checker"))
    before = mark(server)
    for request in (
        subscription_pb2.SetTierRequest(tenant=HUGE),
        made(
            tier_pb2.UpdateTierRequest,
            **PUT,
            tier={"id": "x", "features": [{"name": HUGE, "enabled": True}]},
        ),
    ):
        refusal(partial(caller.call, request))
        refusal(partial(server.operator.call, request))
    found = added(server, before)
    assert len(found) == 4
    assert max(len(str(entry)) for entry in found) < 2000


@pytest.mark.sweep
@pytest.mark.parametrize("name", [*CHANGES, *ADMIN_READS])
def test_call_without_the_right_is_audited(ready: Ready, name: str) -> None:
    server = ready.account.server
    caller = server.caller(server.new_key("authz.checker"))
    request = (CHANGES | READS)[name](ready)
    before = mark(server)
    server.refuses(request, ErrorReason.PERMISSION_DENIED, by=caller)
    (entry,) = added(server, before)
    assert (entry["outcome"], entry["tenant"]) == ("PERMISSION_DENIED", "system")


@pytest.mark.parametrize("name", ADMIN_READS)
def test_read_by_an_administrator_is_audited(ready: Ready, name: str) -> None:
    server = ready.account.server
    request = READS[name](ready)
    before = mark(server)
    server.operator.call(request)
    (entry,) = added(server, before)
    assert (entry["outcome"], entry["before"], entry["after"]) == ("done", None, None)
    assert entry["tenant"] == (ready.id if names_tenant(name, ready) else "system")


def test_checks_are_not_audited(ready: Ready) -> None:
    before = mark(ready.account.server)
    for name in READS:
        if name not in ADMIN_READS:
            ready.account.operator.call(READS[name](ready))
    assert added(ready.account.server, before) == []


def test_stranger_leaves_no_trace(server: Server) -> None:
    before = mark(server)
    refusal(lambda: server.caller("authz_no_key").keys.ListKeys(key_pb2.ListKeysRequest()))
    assert added(server, before) == []


def test_no_entry_holds_a_key_or_its_hash(ready: Ready) -> None:
    server = ready.account.server
    credentials = [
        server.operator_key,
        server.new_key("authz.checker"),
        server.new_key("authz.operator"),
    ]
    server.caller(credentials[2]).call(CHANGES["SetTier"](ready))
    refusal(lambda: server.caller(credentials[1]).call(CHANGES["RevokeRole"](ready)))
    secrets = [each.rpartition("_")[2] for each in credentials]
    everything = str(entries(server))
    for secret in secrets:
        assert secret not in everything
        assert digest(secret) not in everything


def test_no_log_of_changes_holds_a_key(server: Server) -> None:
    secret = server.new_key("authz.checker").rpartition("_")[2]
    with server.service.database.read() as connection:
        told = str(connection.execute(select(schema.change_log.c.delta)).all())
        told += str(connection.execute(select(schema.request.c.answer)).all())
    assert secret not in told


def test_chains_are_whole(ready: Ready) -> None:
    server = ready.account.server
    for name in ("SetTier", "RemoveMember", "SuspendTenant", "OffboardTenant"):
        server.operator.call(CHANGES[name](ready))
    assert broken(server) == []


def test_chain_that_was_tampered_with_is_found_broken(tmp_path: Path) -> None:
    with serving(tmp_path) as server:
        Account(server, "acme").onboard("free", ada=["admin"])
        with server.service.database.write() as connection:
            table = schema.audit_entry
            second = (table.c.tenant == "acme", table.c.seq == 2)
            text = connection.execute(select(table.c.entry).where(*second)).scalar_one()
            altered = text.replace("user:ada", "user:eve")
            connection.execute(table.update().where(*second).values(entry=altered))
        assert broken(server) == [("acme", 2)]


def test_every_change_is_readable_back_to_who_did_it(account: Account) -> None:
    account.onboard("free", ada=["admin"], vera=[])
    other = account.server.new_key("authz.provisioner", tenants=(account.id,))
    before = mark(account.server)
    request = member_pb2.RemoveMemberRequest(tenant=account.id, subject="user:vera")
    account.server.caller(other).members.RemoveMember(request)
    actors = {entry["actor"] for entry in added(account.server, before)}
    assert actors == {f"service:{other.split('_')[2]}"}
