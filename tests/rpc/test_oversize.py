"""What is too large is refused in a way that arrives: batches, messages, texts, names."""

from collections.abc import Callable
from typing import Any, Final

import grpc
import pytest
from google.protobuf.message import Message

from authz_service.errors import ErrorReason
from authz_service.gen.authz.v1 import authorization_pb2 as checks
from authz_service.gen.authz.v1 import (
    exception_pb2,
    key_pb2,
    member_pb2,
    permission_pb2,
    role_grant_pb2,
    role_pb2,
    subscription_pb2,
    tenant_pb2,
    tier_pb2,
)
from tests.changesets import previewing, puts
from tests.rpc.account import DENY, Account
from tests.rpc.harness import made, refusal
from tests.services import PUT

LONG: Final = "x" * 1001
HUGE: Final = "é" * 50_000
"""Many times what gRPC lets a refusal weigh: it travels in the trailing metadata."""

HUGE_NAMES: Final[dict[str, Callable[[str], Message]]] = {
    "get-exception": lambda of: exception_pb2.GetExceptionRequest(tenant=of, id=HUGE),
    "revoke-exception": lambda of: exception_pb2.DeleteExceptionRequest(tenant=of, id=HUGE),
    "get-role-grant": lambda of: role_grant_pb2.GetRoleGrantRequest(tenant=of, id=HUGE),
    "revoke-key": lambda _: key_pb2.RevokeKeyRequest(id=HUGE),
    "feature": lambda of: made(
        tier_pb2.UpdateTierRequest, **PUT, tier={"id": of, "features": [{"name": HUGE}]}
    ),
    "limit": lambda of: made(
        tier_pb2.UpdateTierRequest, **PUT, tier={"id": of, "limits": [{"name": HUGE, "value": 1}]}
    ),
    "limit-unset": lambda of: made(
        tier_pb2.UpdateTierRequest, **PUT, tier={"id": of, "limits": [{"name": HUGE}]}
    ),
    "apply-permission": lambda _: previewing(
        puts(permissions=[permission_pb2.Permission(id=HUGE)])
    ),
    "apply-role": lambda _: previewing(puts(roles=[role_pb2.Role(id=HUGE)])),
    "apply-tier": lambda _: previewing(puts(tiers=[tier_pb2.Tier(id=HUGE)])),
    "role-permission": lambda _: made(
        role_pb2.UpdateRoleRequest, **PUT, role={"id": "huge", "permissions": [HUGE]}
    ),
    "role-include": lambda _: made(
        role_pb2.UpdateRoleRequest, **PUT, role={"id": "huge", "includes": [HUGE]}
    ),
    "tier-base": lambda of: made(
        tier_pb2.UpdateTierRequest, **PUT, tier={"id": of, "extends": HUGE}
    ),
    "own-role": lambda _: made(role_pb2.UpdateRoleRequest, **PUT, role={"id": f"{HUGE}/editor"}),
    "tenant": lambda _: tenant_pb2.GetTenantRequest(tenant=HUGE),
    "tenant-change": lambda _: subscription_pb2.SetTierRequest(tenant=HUGE),
    "check-tenant": lambda _: checks.CheckRequest(tenant=HUGE, permission="invoices:view"),
    "check-subject": lambda of: checks.CheckRequest(tenant=of, subject=HUGE),
    "page-token": lambda of: checks.ListSubjectsRequest(
        tenant=of, permission="invoices:view", page_token=HUGE
    ),
}


@pytest.mark.parametrize("build", HUGE_NAMES.values(), ids=HUGE_NAMES)
def test_refusal_of_a_huge_name_arrives_and_does_not_repeat_it(
    account: Account, build: Callable[[str], Message]
) -> None:
    account.onboard("free")
    found = refusal(lambda: account.operator.call(build(account.id)))
    assert len(f"{found}") < 3000


@pytest.mark.parametrize("build", HUGE_NAMES.values(), ids=HUGE_NAMES)
def test_caller_without_the_right_hears_so_however_huge_the_name(
    account: Account, build: Callable[[str], Message]
) -> None:
    caller = account.server.caller(
        account.server.new_key("authz.auditor", tenants=(account_of(account),))
    )
    found = refusal(lambda: caller.call(build("elsewhere")))
    assert found.reason == ErrorReason.PERMISSION_DENIED
    assert len(f"{found}") < 3000


def account_of(account: Account) -> str:
    account.onboard("free")
    return account.id


def test_batch_of_more_than_a_thousand_is_refused(account: Account) -> None:
    request = checks.BatchCheckRequest(questions=[checks.Question()] * 1001)
    found = account.server.refuses(
        request, ErrorReason.BATCH_TOO_LARGE, at="questions", says="split the call"
    )
    assert found.metadata == {"limit": "1000"}


def test_batch_of_nothing_is_refused(account: Account) -> None:
    request = checks.BatchCheckRequest()
    account.server.refuses(request, ErrorReason.INVALID_FIELD, at="questions", says="required")


def test_more_than_a_thousand_permissions_at_once_are_refused(account: Account) -> None:
    request = checks.CheckPermissionsRequest(permissions=["invoices:view"] * 1001)
    account.server.refuses(request, ErrorReason.BATCH_TOO_LARGE, at="permissions", says="split")


def test_no_permission_at_all_is_refused(account: Account) -> None:
    request = checks.CheckPermissionsRequest(tenant="acme", subject="user:ada")
    account.server.refuses(request, ErrorReason.INVALID_FIELD, at="permissions", says="required")


def test_more_than_a_thousand_first_members_are_refused(account: Account) -> None:
    members = [member_pb2.NewMember(subject=f"user:{number}") for number in range(1001)]
    request = tenant_pb2.OnboardTenantRequest(tenant=account.id, tier="enterprise", members=members)
    account.server.refuses(request, ErrorReason.BATCH_TOO_LARGE, at="members", says="split")


def test_a_thousand_first_members_are_taken(account: Account) -> None:
    opened = account.onboard("enterprise", **{f"u{number}": ["viewer"] for number in range(1000)})
    assert len(opened.members) == 1000


@pytest.mark.parametrize("port", ["checks", "admin"])
def test_message_over_the_size_limit_is_refused(account: Account, port: str) -> None:
    request = {
        "checks": checks.CheckRequest(tenant="a" * 5_000_000),
        "admin": tenant_pb2.GetTenantRequest(tenant="a" * 5_000_000),
    }[port]
    before = account.server.footprint()
    with pytest.raises(grpc.RpcError) as refused:
        account.operator.call(request)
    error: Any = refused.value
    assert error.code() == grpc.StatusCode.RESOURCE_EXHAUSTED
    assert "larger than max" in error.details()
    assert account.server.footprint() == before


TEXTS: Final[dict[str, tuple[str, Callable[[Account], Message]]]] = {
    "reason": ("reason", lambda a: subscription_pb2.SetTierRequest(tenant=a.id, reason=LONG)),
    "grant-reason": (
        "role_grant.reason",
        lambda a: made(
            role_grant_pb2.GrantRoleRequest,
            role_grant={"tenant": a.id, "subject": "user:ada", "role": "admin", "reason": LONG},
        ),
    ),
    "exception-reason": (
        "exception.reason",
        lambda a: exception_pb2.CreateExceptionRequest(
            exception=a.exception(DENY, "invoices:view", reason=LONG)
        ),
    ),
    "approver": (
        "exception.approver",
        lambda a: exception_pb2.CreateExceptionRequest(
            exception=a.exception(DENY, "invoices:view", approver=LONG)
        ),
    ),
    "tenant-name": (
        "display_name",
        lambda a: tenant_pb2.OnboardTenantRequest(
            tenant=f"{a.id}-2", tier="free", display_name=LONG
        ),
    ),
    "key-name": (
        "key.display_name",
        lambda _: key_pb2.CreateKeyRequest(
            key=key_pb2.Key(roles=["authz.checker"], display_name=LONG)
        ),
    ),
    "permission": (
        "permission.description",
        lambda _: made(
            permission_pb2.UpdatePermissionRequest,
            **PUT,
            permission={"id": "a:b", "description": LONG},
        ),
    ),
    "role": (
        "role.description",
        lambda a: made(
            role_pb2.UpdateRoleRequest, **PUT, role={"id": f"{a.id}/x", "description": LONG}
        ),
    ),
    "tier": (
        "tier.description",
        lambda a: made(tier_pb2.UpdateTierRequest, **PUT, tier={"id": a.id, "description": LONG}),
    ),
}


@pytest.mark.parametrize(("field", "build"), TEXTS.values(), ids=TEXTS)
def test_text_that_is_too_long_is_refused(
    account: Account, field: str, build: Callable[[Account], Message]
) -> None:
    account.onboard("enterprise", ada=[])
    found = account.server.refuses(build(account), ErrorReason.INVALID_FIELD, at=field)
    assert "1001 characters" in found.message


@pytest.mark.parametrize(("field", "build"), TEXTS.values(), ids=TEXTS)
def test_text_with_a_nul_is_refused(
    account: Account, field: str, build: Callable[[Account], Message]
) -> None:
    account.onboard("enterprise", ada=[])
    request = type(build(account)).FromString(
        build(account).SerializeToString().replace(LONG.encode(), b"\0" * 1001)
    )
    account.server.refuses(request, ErrorReason.INVALID_FIELD, at=field)
