"""What can be sold and granted: checked before a change is made."""

from collections.abc import Iterable

from authz_service.domain.catalog import Plan, Role, checked_inclusion
from authz_service.domain.policy_set import PolicySet
from authz_service.domain.policy_validation import violations
from authz_service.domain.tenant import Tenant
from authz_service.domain.window import Instant
from authz_service.engine.entitlements import assignable_roles, entitlements
from authz_service.engine.index import Index
from authz_service.errors import ErrorReason, FailedPrecondition, InvalidArgument, NotFound
from authz_service.store.unit_of_work import Transaction
from authz_service.usecases.kernel import declared, preconditions


def check(index: Index, policy: PolicySet, field: str) -> None:
    """Refuse a set with an invalid definition, naming the field of the request: `role.includes`.

    Raises:
        InvalidArgument: the first violation.
    """
    for violation in violations(policy, declared.existing(index)):
        where = ".".join((field, *violation.path[2:])) if field else violation.field
        raise InvalidArgument(
            violation.reason, violation.message, field=where, details=violation.details
        )


def inclusion_graph(index: Index, roles: Iterable[Role]) -> dict[str, frozenset[str]]:
    """Map every role, tenants' own too, to those it includes, with some roles as they will be."""
    graph = {name: entry.fact.includes for name, entry in index.roles.items()}
    for tenant in index.tenants.values():
        graph |= {name: entry.fact.includes for name, entry in tenant.own_roles.items()}
    return graph | {role.id: role.includes for role in roles}


def check_inclusion(index: Index, roles: Iterable[Role], field: str) -> None:
    """Refuse cycles and chains too deep, also those that run through tenants' own roles."""
    changed = list(roles)
    graph = inclusion_graph(index, changed)
    for role in changed:
        checked_inclusion(graph, role.id, field)


def check_own_role(tx: Transaction, role: Role) -> None:
    """Check a tenant's own role: it names what there is, and is not wider than the tier."""
    owner = preconditions.running_customer(tx.index, role.tenant, tx.now, "role.id")
    preconditions.text(role.description, "role.description")
    preconditions.role_owner(role.id, "role.id")
    for name in sorted(role.permissions):
        preconditions.permission(tx.index, name, "role.permissions")
    for name in sorted(role.includes):
        if preconditions.role_owner(name, "role.includes") not in ("", role.tenant):
            raise NotFound(
                ErrorReason.ROLE_NOT_FOUND,
                f"role {name!r} belongs to another tenant",
                field="role.includes",
            )
        preconditions.role(tx.index, name, "role.includes")
    excess = too_much(tx.index, owner, role, tx.now)
    if excess:
        raise too_wide(owner, role, excess, tx.now, "role.permissions")


def too_much(index: Index, owner: Tenant, role: Role, at: Instant) -> frozenset[str]:
    """Name what a tenant's own role would list and the tenant is not entitled to.

    What it includes may reach past the tier: a check cuts that. It does not cut what no tier
    sells: of that the role may hold, itself or by inclusion, what the assignable roles do.
    """
    entry = index.tenants.get(owner.id)
    in_force = entitlements(index, entry, at).permissions if entry is not None else ()
    entitled = {item.permission for item in in_force}
    included = _union(index.role_permissions(name) for name in role.includes)
    internal = {name for name in role.permissions | included if _is_internal(index, name)}
    unsold = internal - entitled
    if unsold:
        unsold -= _union(map(index.role_permissions, assignable_roles(index, owner, at)))
    return (role.permissions - internal - entitled) | unsold


def _union(permissions: Iterable[frozenset[str]]) -> frozenset[str]:
    return frozenset[str]().union(*permissions)


def _is_internal(index: Index, permission: str) -> bool:
    entry = index.permissions.get(permission)
    return entry is not None and entry.internal


def too_wide(
    owner: Tenant, role: Role, excess: frozenset[str], at: Instant, field: str
) -> FailedPrecondition:
    return FailedPrecondition(
        ErrorReason.ROLE_WIDER_THAN_TIER,
        f"role {role.id!r} would hold {', '.join(sorted(excess)[:5])}, which tier "
        f"{owner.tier_at(at)!r} of {owner.id!r} lacks; leave out what is not entitled",
        field=field,
        details={"permissions": ",".join(sorted(excess)[:20])},
    )


def check_deprecated(
    index: Index, before: Role | Plan | None, after: Role | Plan, field: str
) -> None:
    """Refuse that a role or plan takes up what is deprecated; what it holds already may stay.

    Raises:
        FailedPrecondition: PERMISSION_DEPRECATED.
    """
    for name in newly_deprecated(index, before, after):
        successor = index.permissions[name].fact.replaced_by
        raise FailedPrecondition(
            ErrorReason.PERMISSION_DEPRECATED,
            f"permission {name!r} is deprecated: {instead(successor)}",
            field=field,
            details={"permission": name, "replaced_by": successor},
        )


def newly_deprecated(
    index: Index, before: Role | Plan | None, after: Role | Plan
) -> tuple[str, ...]:
    """Name the deprecated permissions that `after` holds and `before` does not."""
    before_permissions = before.permissions if before is not None else frozenset[str]()
    entries = (
        index.permissions.get(name) for name in sorted(after.permissions - before_permissions)
    )
    return tuple(entry.fact.id for entry in entries if entry is not None and entry.fact.deprecated)


def instead(successor: str) -> str:
    """Say what to do about a deprecated permission."""
    return f"use {successor}" if successor else "leave it out"
