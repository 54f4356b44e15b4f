"""What a tenant bought: features, limits and permissions in force, and where each is from."""

from dataclasses import dataclass
from typing import Final

from authz_service.domain.catalog import ADD_ON, Feature, Limit, Plan, chain
from authz_service.domain.exception import ExceptionKind, TenantException
from authz_service.domain.tenant import SYSTEM, Tenant, TenantState
from authz_service.domain.window import Instant
from authz_service.engine.index import Index, TenantEntry

OWN: Final = "tenant"
"""The source of a limit that is the tenant's own."""


@dataclass(frozen=True, slots=True)
class FeatureInForce:
    feature: Feature
    source: str
    """The plan that says so: `tier/free`, `addon/audit`."""


@dataclass(frozen=True, slots=True)
class LimitInForce:
    limit: Limit
    sources: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class PermissionInForce:
    permission: str
    source: str
    """The nearest plan that carries it, or `exception/<id>`."""


@dataclass(frozen=True, slots=True)
class Entitlements:
    tenant: str
    state: TenantState
    tier: str
    add_ons: tuple[str, ...]
    features: tuple[FeatureInForce, ...]
    limits: tuple[LimitInForce, ...]
    permissions: tuple[PermissionInForce, ...]
    exceptions: tuple[TenantException, ...]
    """Every exception live at the instant, ordered by id."""


def entitlements(index: Index, entry: TenantEntry, at: Instant) -> Entitlements:
    tenant = entry.fact
    plans = _plans(index, tenant, at)
    live = live_exceptions(entry, at)
    features = {f.name: FeatureInForce(f, p.id) for p in reversed(plans) for f in p.features}
    set_somewhere = [*tenant.limits_at(at), *(limit for plan in plans for limit in plan.limits)]
    names = sorted({limit.name for limit in set_somewhere})
    limits = (limit_in_force(index, tenant, name, at) for name in names)
    return Entitlements(
        tenant=tenant.id,
        state=tenant.state_at(at),
        tier=tenant.tier_at(at),
        add_ons=tuple(sorted({p for p in tenant.plans_at(at) if p.startswith(ADD_ON)})),
        features=tuple(features[name] for name in sorted(features)),
        limits=tuple(limit for limit in limits if limit is not None),
        permissions=_permissions(index, plans, live),
        exceptions=live,
    )


def limit_in_force(index: Index, tenant: Tenant, name: str, at: Instant) -> LimitInForce | None:
    """Find a limit: the tenant's own, else the tier's (nearest in its chain) plus what add-ons add.

    Unlimited in any of them is unlimited; None if nothing sets it.
    """
    own = tenant.limit(name, at)
    if own is not None:
        return LimitInForce(own, (OWN,))
    sources: list[tuple[Limit, str]] = []
    for plan_id in dict.fromkeys(tenant.plans_at(at)):  # a renewal may overlap: held once
        for plan in chain(index.plans, plan_id):
            hits = [(limit, plan.id) for limit in plan.limits if limit.name == name]
            if hits:
                sources += hits
                break
    if not sources:
        return None
    values = [limit.value for limit, _ in sources]
    total = None if None in values else sum(value or 0 for value in values)
    return LimitInForce(
        Limit(name, total, sources[0][0].unit), tuple(source for _, source in sources)
    )


def live_exceptions(entry: TenantEntry, at: Instant) -> tuple[TenantException, ...]:
    """List the tenant's exceptions that hold at the instant, by id."""
    live = (e for e in entry.exceptions if e.window.covers(at))
    return tuple(sorted(live, key=lambda e: e.id))


def _plans(index: Index, tenant: Tenant, at: Instant) -> list[Plan]:
    """List the plans held and all they extend, the tier's chain first, nearest first."""
    plan_ids = sorted(tenant.plans_at(at), reverse=True)  # "tier/" sorts after "addon/"
    return [plan for plan_id in plan_ids for plan in chain(index.plans, plan_id)]


def _permissions(
    index: Index, plans: list[Plan], live: tuple[TenantException, ...]
) -> tuple[PermissionInForce, ...]:
    replacing = [e for e in live if e.kind is ExceptionKind.REPLACE]
    entitling = replacing or [e for e in live if e.kind is ExceptionKind.GRANT]
    sources = {p: f"exception/{e.id}" for e in entitling for p in e.permissions}
    if not replacing:
        sources |= {p: plan.id for plan in reversed(plans) for p in plan.permissions}
    declared = sorted(sources.keys() & index.permissions.keys())
    return tuple(PermissionInForce(name, sources[name]) for name in declared)


def _is_internal(index: Index, role: str) -> bool:
    entries = (index.permissions.get(name) for name in index.role_permissions(role))
    return all(entry is None or entry.internal for entry in entries)


def assignable_roles(index: Index, tenant: Tenant, at: Instant) -> frozenset[str]:
    """Name the global roles that the tenant's plans let it grant.

    To `system` nothing is sold: its members can be granted what holds no permission for sale.
    """
    if tenant.id == SYSTEM:
        return frozenset(name for name in index.roles if _is_internal(index, name))
    listed = (plan.assignable_roles for plan in _plans(index, tenant, at))
    return frozenset[str]().union(*listed)
