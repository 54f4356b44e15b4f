"""A small world with callers in it, for tests that go through the use cases."""

from dataclasses import replace
from typing import Final

from authz_service.domain.audit import Actor
from authz_service.domain.call import Call
from authz_service.domain.catalog import Permission, Plan, Role
from authz_service.domain.change import Revision
from authz_service.domain.grant import RoleGrant
from authz_service.domain.membership import Membership
from authz_service.domain.tenant import SYSTEM, SubscriptionItem, Tenant
from authz_service.usecases.grants.role_grants import GrantRole, grant_role
from authz_service.usecases.kernel.execution import Answer
from tests.conformance.store_world import OPS, StoreWorld

CRM: Final = Actor("service:crm")
GUEST: Final = Actor("service:guest")
"""A caller without any right."""

RIGHTS: Final = frozenset(
    {"authz.role_grants:create", "authz.role_grants:delete", "authz.members:add"}
)
VIEWER: Final = GrantRole(grant=RoleGrant("acme", "user:alice", "viewer"))


def seed(world: StoreWorld) -> Revision:
    """Make the tenant acme with its member alice, and the callers ops, crm and guest."""
    operators = (OPS.subject, CRM.subject)
    return world.put(
        Permission("doc:read"),
        *(Permission(right, internal=True) for right in sorted(RIGHTS)),
        Role("viewer", frozenset({"doc:read"})),
        Role("authz.operator", RIGHTS),
        Plan(
            "tier/pro", permissions=frozenset({"doc:read"}), assignable_roles=frozenset({"viewer"})
        ),
        Tenant(SYSTEM),
        *(Membership(SYSTEM, subject) for subject in (*operators, GUEST.subject)),
        *(RoleGrant(SYSTEM, subject, "authz.operator", id=subject) for subject in operators),
        Tenant("acme", subscription_items=(SubscriptionItem("tier/pro"),)),
        Membership("acme", "user:alice"),
    )


def calling(request_id: str, *, actor: Actor = OPS, content: str = "same") -> Call:
    return Call(actor, request_id, content)


def granted(world: StoreWorld, call: Call, scope: str = "") -> Answer[RoleGrant]:
    """Let alice be a viewer."""
    wanted = GrantRole(grant=replace(VIEWER.grant, scope=scope))
    return world.executor.change(call, grant_role, wanted)


def grants_of_alice(world: StoreWorld) -> list[RoleGrant]:
    with world.facts() as facts:
        return facts.role_grants("acme")
