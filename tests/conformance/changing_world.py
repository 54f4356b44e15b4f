"""Two customers and an operator, for tests of changesets."""

from typing import Final

from authz_service.domain.audit import Actor
from authz_service.domain.call import Call
from authz_service.domain.catalog import Feature, Limit, Permission, Plan, Role
from authz_service.domain.change import Fact
from authz_service.domain.changeset import Changeset, ChangesetCommand
from authz_service.domain.grant import RoleGrant
from authz_service.domain.key import ApiKey
from authz_service.domain.membership import Membership
from authz_service.domain.tenant import SYSTEM, SubscriptionItem, Tenant
from authz_service.domain.window import Instant
from authz_service.usecases.changesets.preview_apply import (
    Applied,
    ApplyChangeset,
    PreviewChangeset,
    Previewed,
    apply_changeset,
    preview_changeset,
)
from authz_service.usecases.kernel.execution import View
from tests.conformance.store_world import StoreWorld

OPERATOR: Final = Actor("service:key-ops")
CLERK: Final = Actor("service:key-clerk")
"""May apply changes, but only those to roles."""

RIGHTS: Final = (
    "authz.changesets:apply",
    "authz.changesets:preview",
    "authz.permissions:create",
    "authz.permissions:update",
    "authz.permissions:delete",
    "authz.roles:create",
    "authz.roles:update",
    "authz.roles:delete",
    "authz.tiers:create",
    "authz.tiers:update",
    "authz.tiers:delete",
    "authz.add_ons:create",
    "authz.add_ons:update",
    "authz.add_ons:delete",
    "authz.keys:create",
    "authz.role_grants:create",
    "authz.role_grants:delete",
    "authz.exceptions:create",
    "authz.exceptions:delete",
    "authz.subscriptions:set_tier",
    "authz.subscriptions:add_add_on",
    "authz.subscriptions:remove_add_on",
)

OPERATORS: Final[tuple[Fact, ...]] = (
    *(Permission(right, internal=True) for right in RIGHTS),
    Role("the-operator", frozenset(RIGHTS)),
    Role(
        "the-clerk",
        frozenset(
            {
                "authz.changesets:apply",
                "authz.changesets:preview",
                "authz.roles:create",
                "authz.roles:update",
            }
        ),
    ),
    Tenant(SYSTEM),
    Membership(SYSTEM, OPERATOR.subject),
    Membership(SYSTEM, CLERK.subject),
    ApiKey("key-ops", "hash"),
    ApiKey("key-clerk", "hash"),
    RoleGrant(SYSTEM, OPERATOR.subject, "the-operator", id="grant-ops"),
    RoleGrant(SYSTEM, CLERK.subject, "the-clerk", id="grant-clerk"),
)

EDITOR: Final = Role("editor", frozenset({"doc:write"}), frozenset({"viewer"}))
FREE: Final = Plan(
    "tier/free",
    permissions=frozenset({"doc:read"}),
    limits=(Limit("seats", 3, "seat"),),
    assignable_roles=frozenset({"viewer", "editor", "admin"}),
)
PRO: Final = Plan(
    "tier/pro",
    "tier/free",
    permissions=frozenset({"doc:write"}),
    features=(Feature("sso", "true"),),
    limits=(Limit("seats", 10, "seat"),),
)

CUSTOMERS: Final[tuple[Fact, ...]] = (
    Permission("doc:read"),
    Permission("doc:write"),
    Permission("doc:audit"),
    Role("viewer", frozenset({"doc:read"})),
    EDITOR,
    Role("admin", includes=frozenset({"editor"}), admin=True),
    FREE,
    PRO,
    Plan("addon/audit", permissions=frozenset({"doc:audit"})),
    Tenant("acme", subscription_items=(SubscriptionItem("tier/pro"),)),
    Tenant("beta", subscription_items=(SubscriptionItem("tier/free"),)),
    Role("acme/clerk", frozenset({"doc:write"})),
    *(Membership("acme", f"user:{name}") for name in ("ada", "vera", "eve", "max")),
    *(Membership("beta", f"user:{name}") for name in ("bob", "ada")),
    RoleGrant("acme", "user:ada", "admin", id="grant-1"),
    RoleGrant("acme", "user:vera", "viewer", id="grant-2"),
    RoleGrant("acme", "user:eve", "editor", "project:7", id="grant-3"),
    RoleGrant("beta", "user:bob", "editor", id="grant-4"),
    RoleGrant("beta", "user:ada", "admin", id="grant-5"),
)


def seed(world: StoreWorld) -> None:
    world.put(*OPERATORS, *CUSTOMERS)


class Seen:
    """What a preview said, its parts at hand."""

    def __init__(self, previewed: Previewed) -> None:
        self.revision, self.fingerprint = previewed.revision, previewed.fingerprint
        self.objects, self.summary = previewed.preview.objects, previewed.preview.summary
        self.impacts = previewed.preview.impacts


def preview(
    world: StoreWorld, *changes: ChangesetCommand, sample: int = 0, at: Instant | None = None
) -> Seen:
    view = View(world.index, world.database, world.clock.now)
    query = PreviewChangeset(changeset=Changeset(changes), sample=sample, at=at)
    return Seen(preview_changeset.body(view, query))


def applied(
    world: StoreWorld,
    fingerprint: str,
    *changes: ChangesetCommand,
    by: Actor = OPERATOR,
    dry: bool = False,
    at: Instant | None = None,
) -> Applied:
    """Apply what was previewed, or schedule it."""
    wanted = ApplyChangeset(changeset=Changeset(changes), fingerprint=fingerprint, at=at)
    with world.store.transaction(Call(by, reason="agreed", validate_only=dry)) as tx:
        return apply_changeset.body(tx, wanted)
