"""Grants and exceptions changed in place, in bulk, and listed by every filter, over the wire."""

from typing import Any

import pytest
from google.protobuf.field_mask_pb2 import FieldMask
from google.protobuf.json_format import MessageToDict
from sqlalchemy import select

from authz_service.domain.audit_changes import tenant_of
from authz_service.domain.documents import document
from authz_service.errors import ErrorReason
from authz_service.gen.authz.v1 import audit_pb2 as audit
from authz_service.gen.authz.v1 import exception_pb2, role_grant_pb2, tier_pb2
from authz_service.store import deltas, schema
from authz_service.store.facts import Facts
from tests.rpc.account import DENY, GRANT, Account, timestamp
from tests.rpc.conftest import fresh_name
from tests.rpc.harness import Server, refusal
from tests.rpc.requests import CHANGES, made_ready
from tests.services import PUT

PAST, SOON, LATER = timestamp(1_000), timestamp(4_000_000_000), timestamp(5_000_000_000)


@pytest.fixture
def account(any_server: Server, request: pytest.FixtureRequest) -> Account:
    made = Account(any_server, fresh_name(request.node.name))
    made.onboard("professional", ada=["admin"], vera=["viewer"])
    return made


def update(account: Account, grant: role_grant_pb2.RoleGrant, *paths: str, **how: Any) -> Any:
    """Write the request that changes the named fields to what `how` says."""
    expected, reason = how.pop("expected_revision", 0), how.pop("why", "")
    wanted = role_grant_pb2.RoleGrant(tenant=account.id, id=grant.id, **how)
    return role_grant_pb2.UpdateRoleGrantRequest(
        role_grant=wanted,
        update_mask=FieldMask(paths=paths),
        expected_revision=expected,
        reason=reason,
    )


def updated(account: Account, *wanted: Any, **how: Any) -> role_grant_pb2.RoleGrant:
    answer = account.operator.role_grants.UpdateRoleGrant(update(account, *wanted, **how))
    assert answer.role_grant.revision <= answer.revision
    return answer.role_grant


def test_only_what_the_mask_names_is_changed(account: Account) -> None:
    made = account.grant("vera", "editor", valid_until=LATER, reason="work")
    again = updated(account, made, "valid_until", valid_until=SOON, valid_from=PAST, reason="other")
    assert (again.valid_until, again.reason, again.HasField("valid_from")) == (SOON, "work", False)
    assert again.id == made.id
    assert made.revision < again.revision == account.server.revision
    assert updated(account, made, "reason", reason="other").valid_until == SOON
    assert not updated(account, made, "valid_until").HasField("valid_until")


def test_nobody_writes_what_the_downgrade_policy_knows_its_grants_by(account: Account) -> None:
    of_the_policy: dict[str, Any] = {
        "origin": role_grant_pb2.GRANT_ORIGIN_SUBSTITUTE,
        "substitute_for": "g1",
        "held_back": role_grant_pb2.HOLD_REASON_NOT_OFFERED,
    }
    made = account.grant("vera", "editor", **of_the_policy)
    again = updated(account, made, "reason", reason="other", **of_the_policy)
    for grant in (made, again):
        assert grant.origin == role_grant_pb2.GRANT_ORIGIN_GRANTED
        assert (grant.substitute_for, grant.held_back) == ("", 0)
    for field in of_the_policy:
        request = update(account, made, field, **of_the_policy)
        account.server.refuses(request, ErrorReason.INVALID_FIELD, at="update_mask")
    assert account.may("vera", "invoices:create")


def test_check_sees_the_changed_window_at_once(account: Account) -> None:
    made = account.grant("vera", "editor")
    assert account.may("vera", "invoices:create")
    updated(account, made, "valid_until", valid_until=PAST)
    assert account.reason("vera", "invoices:create") == "GRANT_EXPIRED"
    updated(account, made, "valid_until")
    assert account.may("vera", "invoices:create")


def test_update_that_changes_nothing_makes_no_revision(account: Account) -> None:
    made = account.grant("vera", "editor", reason="work")
    assert updated(account, made, "reason", "valid_from", reason="work") == made
    assert account.server.revision == made.revision


def test_update_of_another_revision_than_expected_is_refused(account: Account) -> None:
    made = account.grant("vera", "editor")
    again = updated(account, made, "reason", reason="x", expected_revision=made.revision)
    stale = update(account, made, "reason", reason="y", expected_revision=made.revision)
    found = account.server.refuses(
        stale, ErrorReason.REVISION_MISMATCH, at="expected_revision", says="read it again"
    )
    revisions = {"revision": again.revision, "expected_revision": made.revision}
    assert found.metadata == {name: str(revision) for name, revision in revisions.items()}
    ended = role_grant_pb2.DeleteRoleGrantRequest(
        tenant=account.id, id=made.id, expected_revision=1
    )
    account.server.refuses(ended, ErrorReason.REVISION_MISMATCH, at="expected_revision")
    ended.expected_revision = again.revision
    assert account.operator.role_grants.DeleteRoleGrant(ended).role_grant == again


@pytest.mark.parametrize(
    "paths", [(), ("role",), ("reason", "tenant"), ("",), ("role_grant.reason",)]
)
def test_mask_that_names_nothing_that_can_be_changed_is_refused(
    account: Account, paths: tuple[str, ...]
) -> None:
    request = update(account, account.grant("vera", "editor"), *paths)
    account.server.refuses(
        request, ErrorReason.INVALID_FIELD, at="update_mask", says="reason, valid_from, valid_until"
    )


def test_shortening_is_never_refused_and_prolonging_is_as_granting_is(account: Account) -> None:
    made = account.grant("vera", "editor", valid_until=SOON)
    admin = account.grant("ada", "editor", valid_until=LATER)
    account.set_tier("free")
    role = account.operator.tiers.UpdateTier(
        tier_pb2.UpdateTierRequest(
            **PUT, tier=tier_pb2.Tier(id=fresh_name("bare"), permissions=["invoices:view"])
        )
    ).tier
    account.set_tier(role.id)
    longer = update(account, made, "valid_until", valid_until=LATER)
    account.server.refuses(longer, ErrorReason.ROLE_NOT_ASSIGNABLE, at="role_grant.id")
    updated(account, made, "valid_until", valid_until=PAST)
    account.suspend()
    updated(account, admin, "valid_until", valid_until=SOON)


def test_window_that_another_grant_has_is_refused(account: Account) -> None:
    account.grant("vera", "editor", valid_until=SOON)
    made = account.grant("vera", "editor", valid_until=LATER)
    request = update(account, made, "valid_until", valid_until=SOON)
    account.server.refuses(request, ErrorReason.ROLE_GRANT_EXISTS, at="role_grant")


def test_window_that_ends_before_it_starts_is_refused(account: Account) -> None:
    made = account.grant("vera", "editor", valid_from=SOON)
    request = update(account, made, "valid_until", valid_until=PAST)
    account.server.refuses(request, ErrorReason.INVALID_WINDOW, at="role_grant.valid_until")


def test_grant_of_another_tenant_is_not_found(account: Account) -> None:
    other = Account(account.server, f"{account.id}2")
    other.onboard("professional", vera=[])
    made = other.grant("vera", "editor")
    account.server.refuses(
        update(account, made, "reason"), ErrorReason.ROLE_GRANT_NOT_FOUND, at="role_grant.id"
    )
    ended = role_grant_pb2.DeleteRoleGrantRequest(tenant=account.id, id=made.id)
    account.server.refuses(ended, ErrorReason.ROLE_GRANT_NOT_FOUND, at="id")


def change_exception(
    account: Account, made: exception_pb2.TenantException, *paths: str, **how: Any
) -> Any:
    expected = how.pop("expected_revision", 0)
    wanted = exception_pb2.TenantException(tenant=account.id, id=made.id, **how)
    return exception_pb2.UpdateExceptionRequest(
        exception=wanted, update_mask=FieldMask(paths=paths), expected_revision=expected
    )


def test_exception_is_changed_in_place(account: Account) -> None:
    made = account.except_(DENY, "invoices:view", subject="user:ada")
    call = account.operator.exceptions.UpdateException
    again = call(
        change_exception(account, made, "permissions", permissions=["invoices:send"])
    ).exception
    assert (list(again.permissions), again.approver) == (["invoices:send"], made.approver)
    assert made.revision < again.revision
    assert account.may("ada", "invoices:view")
    assert not account.may("ada", "invoices:send")
    got = account.operator.exceptions.GetException(
        exception_pb2.GetExceptionRequest(tenant=account.id, id=made.id)
    ).exception
    assert got == again
    stale = change_exception(account, made, "reason", reason="x", expected_revision=made.revision)
    account.server.refuses(stale, ErrorReason.REVISION_MISMATCH, at="expected_revision")


def test_permission_that_an_exception_loses_counts_as_its_revision(account: Account) -> None:
    made = account.except_(DENY, "invoices:view", "invoices:send")
    wanted = change_exception(account, made, "permissions", permissions=["invoices:send"])
    again = account.operator.exceptions.UpdateException(wanted).exception
    listed = account.operator.exceptions.ListExceptions(
        exception_pb2.ListExceptionsRequest(tenant=account.id)
    )
    assert [each.revision for each in listed.exceptions] == [again.revision]
    with account.server.service.database.read() as connection:
        (stored,) = Facts(connection).exceptions(account.id)
    assert stored.revision == again.revision > made.revision


@pytest.mark.parametrize(
    ("paths", "how", "field"),
    [
        (("permissions",), {}, "exception.permissions"),
        (("permissions",), {"permissions": ["no:such"]}, "exception.permissions"),
        (("reason",), {}, "exception.reason"),
        (("approver",), {"approver": " "}, "exception.approver"),
        (("kind",), {}, "update_mask"),
    ],
)
def test_exception_cannot_be_changed_into_a_bad_one(
    account: Account, paths: tuple[str, ...], how: Any, field: str
) -> None:
    made = account.except_(GRANT, "sso:configure")
    found = refusal(lambda: account.operator.call(change_exception(account, made, *paths, **how)))
    assert found.field == field


def test_grants_are_filtered_and_counted(account: Account) -> None:
    scim = role_grant_pb2.GRANT_SOURCE_SCIM
    account.grant("vera", "editor", "project:1", source=scim)
    account.grant("vera", "editor", valid_from=SOON)

    def found(**how: Any) -> list[tuple[str, str]]:
        request = role_grant_pb2.ListRoleGrantsRequest(tenant=account.id, page_size=1, **how)
        answer = account.operator.role_grants.ListRoleGrants(request)
        listed = []
        while True:
            listed += [(each.role, each.scope) for each in answer.role_grants]
            if not answer.next_page_token:
                assert answer.total_size == len(listed)
                return listed
            request.page_token = answer.next_page_token
            assert answer.total_size > len(listed)
            answer = account.operator.role_grants.ListRoleGrants(request)

    assert len(found()) == 4
    assert found(source=scim) == found(scope="project:1") == [("editor", "project:1")]
    assert found(scope="") == [("admin", ""), ("viewer", ""), ("editor", "")]
    assert found(live_time=PAST) == [("admin", ""), ("viewer", ""), ("editor", "project:1")]
    assert found(role="editor", live_time=SOON) == [("editor", "project:1"), ("editor", "")]
    assert found(role="editor", scope="project:9") == []
    request = role_grant_pb2.ListRoleGrantsRequest(tenant=account.id, scope="no scope")
    account.server.refuses(request, ErrorReason.INVALID_IDENTIFIER, at="scope")


def test_exceptions_are_filtered_and_counted(account: Account) -> None:
    one = account.except_(DENY, "invoices:view", subject="user:ada").id
    two = account.except_(DENY, "invoices:view", "invoices:send", valid_from=SOON).id
    three = account.except_(GRANT, "sso:configure").id

    def found(**how: Any) -> list[str]:
        request = exception_pb2.ListExceptionsRequest(tenant=account.id, **how)
        answer = account.operator.exceptions.ListExceptions(request)
        assert answer.total_size == len(answer.exceptions)
        return [each.id for each in answer.exceptions]

    assert found() == [one, two, three]
    assert found(kind=DENY) == found(permission="invoices:view") == [one, two]
    assert found(subject="user:ada") == [one]
    assert found(subject="") == [two, three]
    assert found(live_time=PAST) == [one, three]
    assert found(kind=GRANT, permission="invoices:view") == []
    paged = exception_pb2.ListExceptionsRequest(tenant=account.id, page_size=1)
    assert account.operator.exceptions.ListExceptions(paged).total_size == 3


def test_refusal_of_a_thousand_huge_items_arrives(account: Account) -> None:
    bad = role_grant_pb2.RoleGrant(tenant="é" * 200, subject="user:" + "x" * 500, role="é" * 100)
    request = role_grant_pb2.BatchGrantRolesRequest(role_grants=[bad] * 1000)
    found = account.server.refuses(
        request, ErrorReason.INVALID_IDENTIFIER, at="role_grants[0].tenant", says="1000 of 1000"
    )
    assert found.metadata["refused"] == "1000"
    named = [name for name in found.metadata if name.startswith("item-")]
    assert len(named) > 20
    assert found.metadata["item-7"] == "INVALID_IDENTIFIER role_grants[7].tenant"


def test_bulk_outcomes_are_told_in_the_order_of_the_request(account: Account) -> None:
    held = account.grant("vera", "editor")
    wanted = [
        role_grant_pb2.RoleGrant(tenant=account.id, subject=subject, role="editor")
        for subject in ("user:ada", "user:vera")
    ]
    answer = account.operator.role_grants.BatchGrantRoles(
        role_grant_pb2.BatchGrantRolesRequest(role_grants=wanted)
    )
    granted, kept = answer.results
    assert granted.outcome == role_grant_pb2.GRANT_OUTCOME_GRANTED
    assert (kept.outcome, kept.role_grant_id) == (
        role_grant_pb2.GRANT_OUTCOME_ALREADY_HELD,
        held.id,
    )
    gone = [
        role_grant_pb2.RoleRevocation(tenant=account.id, subject=subject, role="editor")
        for subject in ("user:vera", "user:vera", "user:ada")
    ]
    ended = account.operator.role_grants.BatchRevokeRoles(
        role_grant_pb2.BatchRevokeRolesRequest(revocations=gone)
    )
    assert [list(each.role_grant_ids) for each in ended.results] == [
        [held.id],
        [],
        [granted.role_grant_id],
    ]
    assert ended.results[1].outcome == role_grant_pb2.REVOKE_OUTCOME_NOTHING_TO_REVOKE


@pytest.mark.sweep
@pytest.mark.parametrize("name", CHANGES)
def test_every_change_of_every_rpc_is_listed_under_its_tenant(account: Account, name: str) -> None:
    ready = made_ready(Account(account.server, f"{account.id}-r"))
    request = CHANGES[name](ready)
    before = account.server.revision
    revision = account.operator.call(request).revision
    log = schema.change_log.c
    query = select(log.revision, log.delta, log.at).where(
        log.revision.between(before + 1, revision)
    )
    with account.server.service.database.read() as connection:
        logged = [
            change
            for row in connection.execute(query)
            for change in deltas.read(row.revision, row.delta, row.at).changes
        ]
    assert bool(logged) == (revision > before)
    for tenant in {tenant_of(change.fact) for change in logged}:
        request = audit.ListChangesRequest(
            tenant=tenant, after_revision=before, until_revision=revision, page_size=1000
        )
        listed = account.operator.audit.ListChanges(request).changes
        mine = [change.fact for change in logged if tenant_of(change.fact) == tenant]
        assert sorted(map(kind, listed)) == sorted(next(iter(document(fact, 0))) for fact in mine)
        assert all(each.actor and each.action for each in listed)
        assert "secret" not in str([MessageToDict(each) for each in listed])


def kind(change: audit.AuditedChange) -> str:
    side = change.change.after if change.change.HasField("after") else change.change.before
    return str(side.WhichOneof("resource"))


def test_key_bound_to_a_tenant_sees_its_own_audit_alone(account: Account) -> None:
    key = account.server.new_key("authz.auditor", tenants=(account.id,))
    caller = account.server.caller(key)
    listed = caller.audit.ListAuditEntries(audit.ListAuditEntriesRequest(tenant=account.id))
    assert {each.tenant for each in listed.entries} == {account.id}
    for other in ("", "system", "nowhere"):
        for request in (
            audit.ListAuditEntriesRequest(tenant=other),
            audit.ListChangesRequest(tenant=other),
            audit.VerifyAuditRequest(tenant=other),
        ):
            account.server.refuses(request, ErrorReason.PERMISSION_DENIED, by=caller)
