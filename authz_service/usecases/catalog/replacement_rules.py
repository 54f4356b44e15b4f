"""The rules that hold when everything has moved from a deleted object to its replacement."""

from collections.abc import Iterable, Iterator

from authz_service.domain.catalog import ADD_ON, TIER, Permission, Plan, Role
from authz_service.domain.grant import RoleGrant
from authz_service.domain.policy_set import PolicySet
from authz_service.domain.policy_validation import violations
from authz_service.domain.tenant import Tenant
from authz_service.engine.entitlements import assignable_roles
from authz_service.engine.index import Index
from authz_service.errors import ErrorReason, FailedPrecondition, InvalidArgument
from authz_service.store.unit_of_work import Transaction
from authz_service.usecases.catalog import validation
from authz_service.usecases.catalog.references import Use
from authz_service.usecases.kernel import declared
from authz_service.usecases.kernel.lockout import index_after

_FIELD = "replacement"


def require_valid(tx: Transaction, moved: Iterable[Use]) -> None:
    """Check what the successors name; the transaction has made all of its changes.

    Raises:
        InvalidArgument: an invalid definition: a circle, a chain too long, something internal sold.
        FailedPrecondition: PERMISSION_DEPRECATED, ROLE_NOT_ASSIGNABLE, ROLE_WIDER_THAN_TIER.
    """
    uses = list(moved)
    _check_definitions(tx, [use.successor for use in uses])
    for use in uses:
        before, after = use.fact, use.successor
        if isinstance(before, Role | Plan) and isinstance(after, Role | Plan):
            validation.check_deprecated(tx.index, before, after, _FIELD)
    after_all = index_after(tx)
    for tenant, role in _grants(uses):
        _check_assignable(tx, after_all, tenant, role)
    for before_role, after_role in _own_roles(tx.index, after_all, uses):
        _check_width(tx, after_all, before_role, after_role)


def _check_definitions(tx: Transaction, facts: Iterable[object]) -> None:
    roles = [fact for fact in facts if isinstance(fact, Role)]
    plans = [fact for fact in facts if isinstance(fact, Plan)]
    policy = PolicySet(
        permissions=tuple(fact for fact in facts if isinstance(fact, Permission)),
        roles=tuple(role for role in roles if not role.tenant),
        tiers=tuple(plan for plan in plans if plan.id.startswith(TIER) and not plan.is_kept),
        add_ons=tuple(plan for plan in plans if plan.id.startswith(ADD_ON)),
    )
    for violation in violations(policy, declared.existing(tx.index)):
        raise InvalidArgument(
            violation.reason, f"{violation.field}: {violation.message}", field=_FIELD
        )
    validation.check_inclusion(tx.index, roles, _FIELD)


def _grants(moved: Iterable[Use]) -> Iterator[tuple[str, str]]:
    """Yield each tenant and role once, of the grants moved; what is held back is not offered."""
    grants = (use.successor for use in moved if isinstance(use.successor, RoleGrant))
    yield from {(grant.tenant, grant.role): None for grant in grants if not grant.held_back}


def _check_assignable(tx: Transaction, after: Index, tenant_id: str, role: str) -> None:
    tenant = after.tenant(tenant_id)
    if tenant is None or "/" in role or role in assignable_roles(after, tenant, tx.now):
        return
    raise FailedPrecondition(
        ErrorReason.ROLE_NOT_ASSIGNABLE,
        f"tier {tenant.tier_at(tx.now)!r} of {tenant_id!r} does not list role {role!r} as "
        "assignable, and the role to be deleted is granted there; name another replacement",
        field=_FIELD,
        details={"role": role, "tenant": tenant_id, "tier": tenant.tier_at(tx.now)},
    )


def _own_roles(before: Index, after: Index, moved: Iterable[Use]) -> Iterator[tuple[Role, Role]]:
    """Yield the own roles that were moved, and all of tenants that were moved to another plan."""
    names = {use.fact.id: None for use in moved if isinstance(use.fact, Role) and use.fact.tenant}
    for use in moved:
        entry = before.tenants.get(use.fact.id) if isinstance(use.fact, Tenant) else None
        names |= dict.fromkeys(entry.own_roles) if entry is not None else {}
    for name in names:
        was, now = before.role(name), after.role(name)
        if was is not None and now is not None:
            yield was.fact, now.fact


def _check_width(tx: Transaction, after: Index, was: Role, now: Role) -> None:
    """Refuse an own role that becomes wider than its tier; one that was already may stay so."""
    owner = after.tenant(now.tenant)
    if owner is None:
        return
    excess = validation.too_much(after, owner, now, tx.now)
    if new := excess - validation.too_much(tx.index, owner, was, tx.now):
        raise validation.too_wide(owner, now, new, tx.now, _FIELD)
