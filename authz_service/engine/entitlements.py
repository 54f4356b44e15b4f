"""What a tenant bought: features, limits and permissions in force, and where each is from."""

from collections import defaultdict
from dataclasses import dataclass
from typing import Final

from authz_service.domain.catalog import ADD_ON, Feature, Limit, Plan, chain
from authz_service.domain.exception import ExceptionKind, TenantException
from authz_service.domain.merging import merged, summed
from authz_service.domain.tenant import SYSTEM, Tenant, TenantState
from authz_service.domain.window import Instant
from authz_service.engine.index import Index, TenantEntry

OWN: Final = "tenant/"
"""Before the tenant's name, the source of a limit that is its own."""


@dataclass(frozen=True, slots=True)
class FeatureInForce:
    feature: Feature
    source: str
    """The plan whose value holds (`tier/free`, `addon/audit`), or `exception/<id>`."""


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
    features = plan_features(index, tenant, at) | own_features(live)
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


def plan_features(index: Index, tenant: Tenant, at: Instant) -> dict[str, FeatureInForce]:
    """Find the features that the plans come to: of each plan the value nearest in its chain, and of
    these the one that the kind's rule prefers; the tier's among equals.
    """
    values: defaultdict[str, list[FeatureInForce]] = defaultdict(list)
    for plan_id in dict.fromkeys(tenant.plans_at(at)):  # tiers stand first
        line = chain(index.plans, plan_id)
        nearest = {f.name: FeatureInForce(f, p.id) for p in reversed(line) for f in p.features}
        for name, value in nearest.items():
            values[name].append(value)
    return {name: _merged(candidates) for name, candidates in values.items()}


def _merged(candidates: list[FeatureInForce]) -> FeatureInForce:
    winner = merged([candidate.feature for candidate in candidates])
    return next(candidate for candidate in candidates if candidate.feature == winner)


def own_features(live: tuple[TenantException, ...]) -> dict[str, FeatureInForce]:
    """Find the features that exceptions set for the tenant alone, whatever its plans say."""
    return {
        exception.feature.name: FeatureInForce(exception.feature, f"exception/{exception.id}")
        for exception in live
        if exception.feature is not None
    }


def limit_in_force(index: Index, tenant: Tenant, name: str, at: Instant) -> LimitInForce | None:
    """Find a limit: the tenant's own, else the tier's (nearest in its chain) plus what add-ons add.

    Unlimited in any of them is unlimited, and no sum exceeds MAX_NUMBER; None if nothing sets it.
    """
    own = tenant.limit(name, at)
    if own is not None:
        return LimitInForce(own, (f"{OWN}{tenant.id}",))
    sources: list[tuple[Limit, str]] = []
    for plan_id in dict.fromkeys(tenant.plans_at(at)):  # a renewal may overlap: held once
        for plan in chain(index.plans, plan_id):
            hits = [(limit, plan.id) for limit in plan.limits if limit.name == name]
            if hits:
                sources += hits
                break
    if not sources:
        return None
    return LimitInForce(
        summed([limit for limit, _ in sources]), tuple(source for _, source in sources)
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
