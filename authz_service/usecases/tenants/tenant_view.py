"""A tenant as callers see it, and the one way in which use cases change one."""

from dataclasses import dataclass, replace

from authz_service.domain.audit import AuditRecord
from authz_service.domain.catalog import Limit
from authz_service.domain.tenant import (
    DatedLimit,
    StatePeriod,
    SubscriptionItem,
    SuspensionReason,
    Tenant,
    TenantState,
)
from authz_service.domain.window import Instant
from authz_service.store.unit_of_work import Transaction


@dataclass(frozen=True, slots=True)
class TenantNow:
    """A tenant at an instant; `periods` and `subscription_items` also show past and future."""

    id: str
    display_name: str
    state: TenantState
    suspensions: tuple[SuspensionReason, ...]
    tier: str
    add_ons: tuple[str, ...]
    limits: tuple[Limit, ...]
    periods: tuple[StatePeriod, ...]
    subscription_items: tuple[SubscriptionItem, ...]
    created_at: Instant
    revision: int
    tier_version: int
    """0 if the tenant follows the latest version of its tier."""
    dated_limits: tuple[DatedLimit, ...]
    """Those of `limits` that bear dates, and those that are to hold later."""


def tenant_now(tenant: Tenant, at: Instant) -> TenantNow:
    return TenantNow(
        id=tenant.id,
        display_name=tenant.display_name,
        state=tenant.state_at(at),
        suspensions=tuple(sorted(tenant.suspensions)),
        tier=tenant.tier_at(at),
        add_ons=tenant.add_ons_at(at),
        limits=tenant.limits_at(at),
        periods=tenant.periods,
        subscription_items=tenant.subscription_items,
        created_at=tenant.created_at,
        revision=tenant.revision,
        tier_version=tenant.tier_version_at(at),
        dated_limits=tenant.dated_limits,
    )


def changed(tx: Transaction, action: str, before: Tenant | None, after: Tenant) -> TenantNow:
    """Make a tenant, or let another take its place; nothing happens if both are equal."""
    if before == after:
        return tenant_now(after, tx.now)
    revised = replace(after, revision=tx.index.revision + 1)
    tx.change(before, revised)
    tx.record(AuditRecord(action, revised.id, (revised.id,), before, revised, tx.call.reason))
    return tenant_now(revised, tx.now)
