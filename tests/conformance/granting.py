"""Two customers with members, and an operator who grants them roles one by one and in bulk."""

from collections.abc import Callable
from typing import Any, Final

import pytest

from authz_service.domain.audit import Actor
from authz_service.domain.call import Call
from authz_service.domain.catalog import Permission, Plan, Role
from authz_service.domain.grant import RoleGrant
from authz_service.domain.membership import Membership
from authz_service.domain.tenant import SYSTEM, SubscriptionItem, Tenant
from authz_service.errors import AuthzError
from authz_service.usecases.grants.batch_grants import (
    BatchGrantRoles,
    BatchRevokeRoles,
    batch_grant_roles,
    batch_revoke_roles,
)
from authz_service.usecases.kernel.execution import Answer
from tests.conformance.store_world import OPS, StoreWorld

RIGHTS: Final = frozenset(
    f"authz.{kind}:{verb}"
    for kind, verbs in {
        "role_grants": "create update delete get list",
        "exceptions": "create update delete get list",
        "audit": "list",
        "members": "add",
    }.items()
    for verb in verbs.split()
)
TENANTS: Final = ("acme", "beta")
SUBJECTS: Final = ("user:alice", "user:bob", "user:carol")
ROLES: Final = ("viewer", "editor")
ONLY_ACME: Final = Actor("service:acme-only")


def seed(world: StoreWorld) -> None:
    """Make the customers; `admin` is a role that their tier does not list."""
    world.put(
        *(Permission(name) for name in ("doc:read", "doc:write")),
        *(Permission(right, internal=True) for right in sorted(RIGHTS)),
        Role("viewer", frozenset({"doc:read"})),
        Role("editor", frozenset({"doc:read", "doc:write"})),
        Role("admin", frozenset({"doc:read"})),
        Role("authz.operator", RIGHTS),
        Plan(
            "tier/pro",
            permissions=frozenset({"doc:read", "doc:write"}),
            assignable_roles=frozenset(ROLES),
        ),
        Tenant(SYSTEM),
        Membership(SYSTEM, OPS.subject),
        Membership(SYSTEM, ONLY_ACME.subject),
        RoleGrant(SYSTEM, OPS.subject, "authz.operator", id="of-ops"),
        RoleGrant(SYSTEM, ONLY_ACME.subject, "authz.operator", "tenant:acme", id="of-acme-only"),
        *(Tenant(tenant, subscription_items=(SubscriptionItem("tier/pro"),)) for tenant in TENANTS),
        *(Membership(tenant, subject) for tenant in TENANTS for subject in SUBJECTS),
    )


def calling(actor: Actor = OPS, **how: Any) -> Call:
    return Call(actor, **how)


def grant(
    subject: str = "alice", role: str = "viewer", tenant: str = "acme", **how: Any
) -> RoleGrant:
    return RoleGrant(tenant, f"user:{subject}", role, **how)


def bulk_grant(world: StoreWorld, *grants: RoleGrant, call: Call | None = None) -> Answer[Any]:
    wanted = BatchGrantRoles(grants=grants)
    return world.executor.change(call or calling(), batch_grant_roles, wanted)


def bulk_revoke(world: StoreWorld, *described: Any, call: Call | None = None) -> Answer[Any]:
    wanted = BatchRevokeRoles(revocations=described)
    return world.executor.change(call or calling(), batch_revoke_roles, wanted)


def refused(body: Callable[[], object]) -> AuthzError:
    with pytest.raises(AuthzError) as raised:
        body()
    return raised.value


def grants_in(world: StoreWorld, tenant: str = "acme") -> list[RoleGrant]:
    with world.facts() as facts:
        return facts.role_grants(tenant)
