"""What is wrong in accounts, members, keys and use is named precisely and changes nothing."""

from typing import Any, Final

import pytest

from authz_service.errors import ErrorReason
from authz_service.gen.authz.v1 import authorization_pb2 as checks
from authz_service.gen.authz.v1 import (
    key_pb2,
    member_pb2,
    role_grant_pb2,
    role_pb2,
    subscription_pb2,
    tenant_pb2,
)
from tests.rpc.account import Account, member, subject_of, timestamp, why
from tests.rpc.harness import Server, made
from tests.rpc.requests import CHANGES, GOOD, OF_OWN_ROLES, about, made_ready, names_tenant
from tests.services import RPCS

ANSWER_UNKNOWN: Final = {"Check", "BatchCheck", "CheckPermissions", "Explain"}
"""A question about a tenant that is not there is answered: no."""
TOLD_OF_BEFORE: Final = {"ListBillingEvents", "MapSubject", "Reconcile"}
"""Events, and contracts read from the billing system, tell of a tenant before it is there: its
events wait under its name, and a contract that is complete opens it.
"""
FOUND_BY_ID: Final = {"GetJob", "RetryJob", "CancelJob"}
"""A job is found by its id alone, and under any tenant but its own it is JOB_NOT_FOUND; `system` is
one of them, with the jobs that concern no customer.
"""
IN_A_TENANT: Final = [
    name
    for name, rpc in RPCS.items()
    if {"tenant", "role_grant", "exception"} & set(rpc.input_type.fields_by_name)
    and name not in ("OnboardTenant", "ListRoles")
] + ["CreateRole", "BatchGrantRoles", "BatchRevokeRoles"]
TENANT_FIELD: Final = {
    "GrantRole": "role_grant.tenant",
    "UpdateRoleGrant": "role_grant.tenant",
    "UpdateTenant": "tenant.id",
    "BatchGrantRoles": "role_grants[0].tenant",
    "BatchRevokeRoles": "revocations[0].tenant",
    "CreateException": "exception.tenant",
    "UpdateException": "exception.tenant",
    "CreateRole": "role.id",
}


@pytest.fixture
def acme(account: Account) -> Account:
    account.onboard("free", ada=["admin"])
    return account


@pytest.mark.parametrize(
    "name", [n for n in IN_A_TENANT if n not in ANSWER_UNKNOWN | TOLD_OF_BEFORE | FOUND_BY_ID]
)
def test_unknown_tenant_is_refused(account: Account, name: str) -> None:
    request = about(GOOD[name](made_ready(account)), "nowhere")
    account.server.refuses(
        request,
        ErrorReason.TENANT_NOT_FOUND,
        at=TENANT_FIELD.get(name, "tenant"),
        says="onboard it first",
    )


def test_unknown_tenant_of_a_list_of_roles_is_refused(server: Server) -> None:
    request = role_pb2.ListRolesRequest(tenant="nowhere")
    server.refuses(request, ErrorReason.TENANT_NOT_FOUND, at="tenant")


def test_unknown_tenant_of_a_key_is_refused(server: Server) -> None:
    request = key_pb2.CreateKeyRequest(
        key=key_pb2.Key(roles=["authz.checker"], tenants=["nowhere"])
    )
    server.refuses(request, ErrorReason.TENANT_NOT_FOUND, at="key.tenants")


@pytest.mark.parametrize("name", [n for n in IN_A_TENANT if n in CHANGES.keys() - FOUND_BY_ID])
def test_reserved_tenant_cannot_be_changed(account: Account, name: str) -> None:
    request = about(GOOD[name](made_ready(account)), "system")
    account.server.refuses(
        request,
        ErrorReason.TENANT_RESERVED,
        at=TENANT_FIELD.get(name, "tenant"),
        says="use KeyService",
    )


def test_reserved_tenant_cannot_be_opened(server: Server) -> None:
    request = tenant_pb2.OnboardTenantRequest(tenant="system", tier="free")
    server.refuses(request, ErrorReason.TENANT_RESERVED, at="tenant", says="choose another id")


def test_reserved_tenant_is_no_customer_in_lists(server: Server) -> None:
    listed = server.operator.tenants.ListTenants(tenant_pb2.ListTenantsRequest()).tenants
    assert "system" not in {tenant.id for tenant in listed}


def test_key_for_the_reserved_tenant_is_refused(server: Server) -> None:
    request = key_pb2.CreateKeyRequest(key=key_pb2.Key(roles=["authz.checker"], tenants=["system"]))
    server.refuses(request, ErrorReason.TENANT_RESERVED, at="key.tenants")


def test_helper_knows_which_requests_name_a_tenant(account: Account) -> None:
    ready = made_ready(account)
    named = {name for name in GOOD if names_tenant(name, ready)}
    opened = {"OnboardTenant", "BatchOnboardTenants"}
    assert named == {*IN_A_TENANT, *OF_OWN_ROLES, *opened, "ListRoles", "BatchCheck"}


def test_unknown_tier_is_refused(acme: Account) -> None:
    for request in (
        tenant_pb2.OnboardTenantRequest(tenant=f"{acme.id}-2", tier="platinum"),
        subscription_pb2.SetTierRequest(tenant=acme.id, tier="platinum"),
    ):
        acme.server.refuses(request, ErrorReason.TIER_NOT_FOUND, at="tier", says="create it first")


def test_tenant_id_is_given_once(acme: Account) -> None:
    request = tenant_pb2.OnboardTenantRequest(tenant=acme.id, tier="free")
    acme.server.refuses(request, ErrorReason.TENANT_EXISTS, at="tenant", says="choose another")
    acme.offboard()
    acme.server.refuses(request, ErrorReason.TENANT_EXISTS, at="tenant")


def test_member_is_added_once(acme: Account) -> None:
    request = member_pb2.AddMemberRequest(tenant=acme.id, member=member("ada"))
    acme.server.refuses(request, ErrorReason.MEMBER_EXISTS, at="member.subject", says="grant roles")


ADDITIONS: Final[dict[str, tuple[member_pb2.NewMember, ErrorReason, str]]] = {
    "staff": (member("staff:sam"), ErrorReason.STAFF_NOT_ALLOWED, "subject"),
    "unknown-role": (member("nina", "astronaut"), ErrorReason.ROLE_NOT_FOUND, "roles"),
    "role-not-sold": (member("nina", "billing-admin"), ErrorReason.ROLE_NOT_ASSIGNABLE, "roles"),
    "role-twice": (member("nina", "viewer", "viewer"), ErrorReason.INVALID_FIELD, "roles"),
}


@pytest.mark.parametrize(("new", "reason", "blamed"), ADDITIONS.values(), ids=ADDITIONS)
def test_new_member_that_cannot_be_is_refused(
    acme: Account, new: member_pb2.NewMember, reason: ErrorReason, blamed: str
) -> None:
    request = member_pb2.AddMemberRequest(tenant=acme.id, member=new)
    acme.server.refuses(request, reason, at=f"member.{blamed}")


@pytest.mark.parametrize(("new", "reason", "blamed"), ADDITIONS.values(), ids=ADDITIONS)
def test_first_member_that_cannot_be_is_refused_and_no_account_is_opened(
    account: Account, new: member_pb2.NewMember, reason: ErrorReason, blamed: str
) -> None:
    request = tenant_pb2.OnboardTenantRequest(
        tenant=account.id, tier="free", members=[member("ada"), new]
    )
    account.server.refuses(request, reason, at=f"members[1].{blamed}")


def test_same_first_member_twice_is_refused(account: Account) -> None:
    request = tenant_pb2.OnboardTenantRequest(
        tenant=account.id, tier="free", members=[member("ada"), member("ada", "admin")]
    )
    account.server.refuses(request, ErrorReason.INVALID_FIELD, at="members", says="name each once")


def test_more_members_than_seats_are_refused(account: Account) -> None:
    four = [member(f"u{number}") for number in range(4)]
    request = tenant_pb2.OnboardTenantRequest(tenant=account.id, tier="free", members=four)
    found = account.server.refuses(
        request, ErrorReason.SEATS_EXHAUSTED, says="move to a larger tier"
    )
    assert found.metadata == {"seats": "3", "taken": "0"}


@pytest.mark.parametrize("rpc", [member_pb2.GetMemberRequest, member_pb2.RemoveMemberRequest])
def test_unknown_member_is_not_found(acme: Account, rpc: Any) -> None:
    request = rpc(tenant=acme.id, subject="user:nina")
    acme.server.refuses(
        request, ErrorReason.MEMBER_NOT_FOUND, at="subject", says="list its members"
    )


def test_what_is_so_already_is_no_error_and_makes_no_revision(acme: Account) -> None:
    once = acme.suspend("BILLING")
    before = acme.server.revision
    assert acme.suspend("BILLING") == once
    assert acme.resume("RISK") == once
    acme.add("vera", "viewer")
    acme.hold_back("vera", "RISK")
    held = acme.server.revision
    assert acme.hold_back("vera", "RISK").suspensions == [why("RISK")]
    assert acme.let_go("vera", "ADMIN").suspensions == [why("RISK")]
    assert (before, held) == (held - 2, acme.server.revision)
    acme.offboard()
    ended = acme.server.revision
    assert acme.offboard().tenant.state == tenant_pb2.TENANT_STATE_OFFBOARDED
    assert acme.server.revision == ended


ENDED: Final = [
    "AcceptInvitation",
    "ActivateTenant",
    "AddAddOn",
    "AddMember",
    "CancelScheduledChange",
    "CreateException",
    "GrantRole",
    "InviteMember",
    "CreateRole",
    "ResendInvitation",
    "ResumeMember",
    "ResumeTenant",
    "SetLimits",
    "SetTier",
    "StartGrace",
    "StartTrial",
    "SuspendTenant",
    "TransferOwnership",
]


@pytest.mark.parametrize("name", ENDED)
def test_nothing_is_given_in_a_tenant_that_has_ended(account: Account, name: str) -> None:
    request = about(CHANGES[name](made_ready(account)), account.id)
    account.offboard()
    account.server.refuses(
        request,
        ErrorReason.TENANT_STATE_CONFLICT,
        at=TENANT_FIELD.get(name, "tenant"),
        says="offboarded",
    )


def test_tenant_that_has_ended_is_not_moved_to_the_tier_it_has(acme: Account) -> None:
    acme.offboard()
    request = subscription_pb2.SetTierRequest(tenant=acme.id, tier="free")
    acme.server.refuses(request, ErrorReason.TENANT_STATE_CONFLICT, at="tenant")


UNKNOWN_NUMBERS: Final = {
    "suspend": (tenant_pb2.SuspendTenantRequest(suspension_reason=99), "suspension_reason"),  # type: ignore[arg-type]
    "resume": (tenant_pb2.ResumeTenantRequest(suspension_reason=99), "suspension_reason"),  # type: ignore[arg-type]
    "list": (tenant_pb2.ListTenantsRequest(state=99), "state"),  # type: ignore[arg-type]
    "revoke": (role_grant_pb2.RevokeRoleRequest(source=99), "source"),  # type: ignore[arg-type]
    "grant": (
        made(role_grant_pb2.GrantRoleRequest, role_grant={"source": 99}),
        "role_grant.source",
    ),
}


@pytest.mark.parametrize(("request_", "field"), UNKNOWN_NUMBERS.values(), ids=UNKNOWN_NUMBERS)
def test_enum_number_that_we_do_not_know_is_refused(
    server: Server, request_: Any, field: str
) -> None:
    server.refuses(request_, ErrorReason.INVALID_FIELD, at=field, says="named values")


USES: Final[dict[str, tuple[checks.Usage, str]]] = {
    "negative-use": (checks.Usage(limit="seats", used=-1), "usage.used"),
    "negative-quantity": (checks.Usage(limit="seats", quantity=-1), "usage.quantity"),
    "absurd-use": (checks.Usage(limit="seats", used=2**62 + 1), "usage.used"),
    "absurd-quantity": (checks.Usage(limit="seats", quantity=2**63 - 1), "usage.quantity"),
}


@pytest.mark.parametrize(("use", "field"), USES.values(), ids=USES)
@pytest.mark.parametrize("kind", [checks.CheckRequest, checks.CheckLimitRequest])
def test_use_out_of_range_is_refused(
    acme: Account, kind: Any, use: checks.Usage, field: str
) -> None:
    request = kind(tenant=acme.id, usage=use)
    acme.server.refuses(request, ErrorReason.INVALID_FIELD, at=field, says="0 to 2^62")


def test_use_of_a_batch_names_its_question(acme: Account) -> None:
    question = checks.Question(
        tenant=acme.id, subject=subject_of("ada"), permission="invoices:view"
    )
    wrong = checks.Question()
    wrong.CopyFrom(question)
    wrong.usage.CopyFrom(checks.Usage(limit="seats", used=-1))
    request = checks.BatchCheckRequest(questions=[question, wrong])
    acme.server.refuses(request, ErrorReason.INVALID_FIELD, at="questions[1].usage.used")


KEYS: Final[dict[str, tuple[key_pb2.CreateKeyRequest, ErrorReason, str]]] = {
    "no-role": (key_pb2.CreateKeyRequest(), ErrorReason.INVALID_FIELD, "key.roles"),
    "unknown-role": (
        key_pb2.CreateKeyRequest(key=key_pb2.Key(roles=["astronaut"])),
        ErrorReason.ROLE_NOT_FOUND,
        "key.roles",
    ),
    "customers-role": (
        key_pb2.CreateKeyRequest(key=key_pb2.Key(roles=["admin"])),
        ErrorReason.ROLE_NOT_ASSIGNABLE,
        "key.roles",
    ),
    "ended-before": (
        key_pb2.CreateKeyRequest(
            key=key_pb2.Key(roles=["authz.checker"], expire_time=timestamp(1000))
        ),
        ErrorReason.INVALID_WINDOW,
        "key.expire_time",
    ),
}


@pytest.mark.parametrize(("request_", "reason", "field"), KEYS.values(), ids=KEYS)
def test_key_that_cannot_be_is_refused(
    server: Server, request_: key_pb2.CreateKeyRequest, reason: ErrorReason, field: str
) -> None:
    server.refuses(request_, reason, at=field)


def test_key_is_revoked_once(server: Server) -> None:
    made = server.operator.keys.CreateKey(
        key_pb2.CreateKeyRequest(key=key_pb2.Key(roles=["authz.checker"]))
    ).key
    server.operator.keys.RevokeKey(key_pb2.RevokeKeyRequest(id=made.id))
    request = key_pb2.RevokeKeyRequest(id=made.id)
    server.refuses(request, ErrorReason.KEY_NOT_FOUND, at="id", says="list the keys")
