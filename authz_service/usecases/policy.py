"""What can be sold and granted: permissions, roles and tiers, put, got and listed."""

from collections.abc import Iterable
from dataclasses import dataclass

from authz_service.domain.audit import Event
from authz_service.domain.catalogue import TIER, Permission, Plan, Role, checked_inclusion
from authz_service.domain.change import Fact
from authz_service.domain.policy_set import PolicySet, violations
from authz_service.domain.tenant import SYSTEM, Tenant
from authz_service.engine.entitlements import entitlements
from authz_service.engine.index import Index
from authz_service.errors import ErrorReason, FailedPrecondition, InvalidArgument, NotFound
from authz_service.store.unit_of_work import Transaction
from authz_service.usecases import paging, require
from authz_service.usecases.execution import View, change, read
from authz_service.usecases.paging import Page, PageRequest


@dataclass(frozen=True, slots=True, kw_only=True)
class PutPermission:
    permission: Permission
    tenant: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class PutRole:
    role: Role

    @property
    def tenant(self) -> str:
        return self.role.tenant


@dataclass(frozen=True, slots=True, kw_only=True)
class PutTier:
    tier: Plan
    tenant: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ApplyPolicy:
    policy: PolicySet
    tenant: str = ""


@dataclass(frozen=True, slots=True)
class Applied:
    """What a policy set changed, as `kind id`, in the order of the set."""

    created: tuple[str, ...]
    updated: tuple[str, ...]
    unchanged: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Named:
    """One object of the catalogue, by its id."""

    id: str
    tenant: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ListCatalogue:
    """`tenant` is asked of roles alone: "" for the global ones."""

    page: PageRequest
    tenant: str = ""


@change("permissions:put")
def put_permission(tx: Transaction, wanted: PutPermission) -> Permission:
    _check(tx.index, PolicySet(permissions=(wanted.permission,)), "permission")
    entry = tx.index.permissions.get(wanted.permission.id)
    _put(tx, "permission.put", entry.fact if entry else None, wanted.permission)
    return wanted.permission


@change("roles:put")
def put_role(tx: Transaction, wanted: PutRole) -> Role:
    if wanted.role.tenant:
        _check_own_role(tx, wanted.role)
    else:
        _check(tx.index, PolicySet(roles=(wanted.role,)), "role")
    _check_inclusion(tx.index, [wanted.role], "role.includes")
    entry = tx.index.role(wanted.role.id)
    _put(tx, "role.put", entry.fact if entry else None, wanted.role)
    return wanted.role


@change("tiers:put")
def put_tier(tx: Transaction, wanted: PutTier) -> Plan:
    _check(tx.index, PolicySet(tiers=(wanted.tier,)), "tier")
    _put(tx, "tier.put", tx.index.plans.get(wanted.tier.id), wanted.tier)
    return wanted.tier


@change("policies:apply")
def apply_policy(tx: Transaction, wanted: ApplyPolicy) -> Applied:
    """Put a whole set: permissions first, for roles and tiers to name them."""
    return put_all(tx, wanted.policy)


def put_all(tx: Transaction, policy: PolicySet) -> Applied:
    _check(tx.index, policy, "")
    _check_inclusion(tx.index, policy.roles, "roles")
    index = tx.index
    permissions = {name: entry.fact for name, entry in index.permissions.items()}
    roles = {name: entry.fact for name, entry in index.roles.items()}
    found: list[tuple[str, str, Fact | None, Fact]] = [
        *(("permission", p.id, permissions.get(p.id), p) for p in policy.permissions),
        *(("role", r.id, roles.get(r.id), r) for r in policy.roles),
        *(("tier", t.name, index.plans.get(t.id), t) for t in policy.tiers),
    ]
    for _, _, before, after in found:
        tx.change(before, after)
    applied = Applied(
        created=tuple(f"{kind} {name}" for kind, name, before, _ in found if before is None),
        updated=tuple(
            f"{kind} {name}"
            for kind, name, before, after in found
            if before is not None and before != after
        ),
        unchanged=sum(before == after for _, _, before, after in found),
    )
    if tx.changes:
        changed = (*applied.created, *applied.updated)
        tx.record(Event("policy.applied", SYSTEM, changed, None, applied, tx.call.reason))
    return applied


@read("permissions:get")
def get_permission(view: View, wanted: Named) -> Permission:
    name = require.permission(view.index, wanted.id, "id")
    return view.index.permissions[name].fact


@read("permissions:list")
def list_catalogue(view: View, wanted: ListCatalogue) -> Page[Permission]:
    facts = [entry.fact for _, entry in sorted(view.index.permissions.items())]
    return paging.page(facts, lambda fact: fact.id, wanted.page, ["permissions"])


@read("roles:get")
def get_role(view: View, wanted: Named) -> Role:
    return require.role(view.index, wanted.id, "id").fact


@read("roles:list")
def list_roles(view: View, wanted: ListCatalogue) -> Page[Role]:
    entries = view.index.roles
    if wanted.tenant:
        require.tenant(view.index, wanted.tenant)
        owner = view.index.tenants.get(wanted.tenant)
        entries = dict(owner.own_roles) if owner is not None else {}
    facts = [entry.fact for _, entry in sorted(entries.items())]
    return paging.page(facts, lambda fact: fact.id, wanted.page, ["roles", wanted.tenant])


@read("tiers:get")
def get_tier(view: View, wanted: Named) -> Plan:
    return require.tier(view.index, wanted.id, "id")


@read("tiers:list")
def list_tiers(view: View, wanted: ListCatalogue) -> Page[Plan]:
    facts = [plan for name, plan in sorted(view.index.plans.items()) if name.startswith(TIER)]
    return paging.page(facts, lambda fact: fact.id, wanted.page, ["tiers"])


def _put(
    tx: Transaction, action: str, before: Fact | None, after: Role | Plan | Permission
) -> None:
    tx.change(before, after)
    if tx.changes:
        owner = after.tenant if isinstance(after, Role) and after.tenant else SYSTEM
        tx.record(Event(action, owner, (after.id,), before, after, tx.call.reason))


def _check(index: Index, policy: PolicySet, field: str) -> None:
    """Refuse a set that breaks a law, naming the field of the request: `role.includes`.

    Raises:
        InvalidArgument: the first violation.
    """
    for found in violations(policy, _existing(index)):
        where = ".".join((field, *found.path[2:])) if field else found.field
        raise InvalidArgument(found.reason, found.message, field=where)


def _existing(index: Index) -> PolicySet:
    return PolicySet(
        permissions=tuple(entry.fact for entry in index.permissions.values()),
        roles=tuple(entry.fact for entry in index.roles.values()),
        tiers=tuple(plan for name, plan in index.plans.items() if name.startswith(TIER)),
    )


def _check_inclusion(index: Index, roles: Iterable[Role], field: str) -> None:
    """Refuse cycles and chains too deep, also those that run through tenants' own roles."""
    graph = {name: entry.fact.includes for name, entry in index.roles.items()}
    for tenant in index.tenants.values():
        graph |= {name: entry.fact.includes for name, entry in tenant.own_roles.items()}
    graph |= {role.id: role.includes for role in roles}
    for role in roles:
        checked_inclusion(graph, role.id, field)


def _check_own_role(tx: Transaction, role: Role) -> None:
    owner = require.running_customer(tx.index, role.tenant, tx.now, "role.id")
    require.text(role.description, "role.description")
    require.role_owner(role.id, "role.id")
    for name in sorted(role.permissions):
        require.permission(tx.index, name, "role.permissions")
    for name in sorted(role.includes):
        if require.role_owner(name, "role.includes") not in ("", role.tenant):
            raise NotFound(
                ErrorReason.ROLE_NOT_FOUND,
                f"role {name!r} belongs to another tenant",
                field="role.includes",
            )
        require.role(tx.index, name, "role.includes")
    _check_width(tx, owner, role)


def _check_width(tx: Transaction, owner: Tenant, role: Role) -> None:
    """A tenant's own role never holds more than the tenant is entitled to."""
    entry = tx.index.tenants.get(owner.id)
    in_force = entitlements(tx.index, entry, tx.now).permissions if entry is not None else ()
    reached = (tx.index.role_permissions(name) for name in role.includes)
    excess = role.permissions.union(*reached) - {each.permission for each in in_force}
    if excess:
        raise FailedPrecondition(
            ErrorReason.ROLE_WIDER_THAN_TIER,
            f"role {role.id!r} would hold {', '.join(sorted(excess)[:5])}, which tier "
            f"{owner.tier_at(tx.now)!r} of {owner.id!r} lacks; leave out what is not entitled",
            field="role.permissions",
            details={"permissions": ",".join(sorted(excess)[:20])},
        )
