"""Versions of tiers: looked at, sold again, held by tenants."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Final

from authz_service.domain.audit import AuditRecord
from authz_service.domain.catalog import TIER, Plan, kept_id, split_version
from authz_service.domain.change import Revision
from authz_service.domain.identifiers import checked
from authz_service.domain.lifecycle import require_not_offboarded
from authz_service.domain.policy_validation import violations
from authz_service.domain.schedule import checked_later
from authz_service.domain.subscription import moved_to_tier, moving_to_tier
from authz_service.domain.tenant import SYSTEM, Tenant, TenantState
from authz_service.domain.tier_versions import frozen, kept_of, next_version, restored
from authz_service.domain.window import Instant
from authz_service.engine.effect import effect
from authz_service.engine.effect_summary import Summary, summed
from authz_service.engine.impact import Impact, grouped, tenant_impacts
from authz_service.engine.index import Index
from authz_service.errors import ErrorReason, InvalidArgument
from authz_service.store.unit_of_work import Transaction
from authz_service.usecases.catalog import objects, plans
from authz_service.usecases.kernel import declared, field_masks, paging, preconditions
from authz_service.usecases.kernel.execution import View, change, read
from authz_service.usecases.kernel.lockout import require_operable
from authz_service.usecases.kernel.paging import DEFAULT_SAMPLE, Page, PageRequest, sample_size
from authz_service.usecases.tenants.tenant_view import TenantNow, changed

MAX_NAMES: Final = 100
"""Tenants that the answer to a migration names."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OneVersion:
    """`version` 0 is the latest."""

    tier: str
    version: int = 0
    tenant: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ListVersions:
    tier: str
    page: PageRequest
    tenant: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class RollBackTier:
    """An `expected_revision` of 0 takes the tier as it is."""

    tier: str
    version: int
    expected_revision: Revision = 0
    tenant: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class PinTenant:
    """`tier` "" is the one held, `version` 0 lets the tenant follow it, `at` None is now."""

    tenant: str
    tier: str = ""
    version: int = 0
    at: Instant | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class MigrateTenants:
    """Empty `from_versions` and `tenants` stand for all; a version of 0 for following the tier."""

    tier: str
    version: int = 0
    from_versions: tuple[int, ...] = ()
    tenants: tuple[str, ...] = ()
    tenant_prefix: str = ""
    sample: int = 0
    tenant: str = ""


@dataclass(frozen=True, slots=True)
class TierVersion:
    """`plan` is named like the tier, and so is what it extends; `extends_version` 0 follows it."""

    plan: Plan
    latest: bool
    extends_version: int
    pinned: int
    following: int


@dataclass(frozen=True, slots=True)
class RolledBack:
    version: TierVersion
    effect: Summary


@dataclass(frozen=True, slots=True)
class Migrated:
    """All that were moved are counted, the first are named."""

    count: int
    tenants: tuple[str, ...]
    effect: Summary
    impacts: tuple[Impact, ...]


@read
def get_tier_version(view: View, query: OneVersion) -> TierVersion:
    plan = preconditions.tier_version(view.index, query.tier, query.version)
    return _told(plan, _holders(view.index, view.now))


@read
def list_tier_versions(view: View, query: ListVersions) -> Page[TierVersion]:
    """List the versions of a tier that can be held or sold again, the latest first."""
    latest = preconditions.tier(view.index, query.tier)
    earlier = [
        plan for plan in kept_of(view.index.plans, latest.id) if plan.version < latest.version
    ]
    holders = _holders(view.index, view.now)
    versions = [_told(plan, holders) for plan in (latest, *earlier)]
    # Versions count upwards, a page goes downwards.
    return paging.page(versions, _place, query.page, ["versions", query.tier])


@change
def roll_back_tier(tx: Transaction, command: RollBackTier) -> RolledBack:
    """Make the next version of a tier out of an earlier one.

    What was deprecated since comes back with it: those who have the tier had it then.
    """
    before = preconditions.tier(tx.index, command.tier)
    field_masks.unchanged(before.revision, command.expected_revision, plans.label(before))
    version = _a_version(tx.index, command.tier, command.version)
    after = restored(tx.index.plans, before.id, version) if version.is_kept else before
    for violation in violations(plans.as_set(after), declared.existing(tx.index)):
        raise InvalidArgument(
            violation.reason, f"version {command.version}: {violation.message}", field="version"
        )
    after = replace(after, version=next_version(tx.index.plans, before.id))
    now = objects.write(tx, "tier", before, after)
    require_operable(tx)
    shift = summed(effect(tx.index, tx.after(), tx.now), DEFAULT_SAMPLE)
    return RolledBack(_told(now, _holders(tx.index, tx.now)), shift)


@change
def pin_tenant(tx: Transaction, command: PinTenant) -> TenantNow:
    """Let a tenant stay at a version of a tier, or follow it; a move scheduled before gives way."""
    tenant = preconditions.customer(tx.index, command.tenant)
    require_not_offboarded(tenant, tx.now, "moved to a tier")
    plan = _held(tx, command.tier or tenant.tier_at(tx.now), command.version, "version")
    if command.at is not None:
        after = moving_to_tier(
            tenant, plan, checked_later(command.at, tx.now, "effective_time"), tx.now
        )
        return changed(tx, "tenant.pin_scheduled", tenant, after)
    return changed(tx, "tenant.pinned", tenant, moved_to_tier(tenant, plan))


@change
def migrate_tenants(tx: Transaction, command: MigrateTenants) -> Migrated:
    """Move all that hold some versions of a tier to another one, for as long as they hold it."""
    sample = sample_size(command.sample)
    preconditions.batch(len(command.tenants), "tenants")
    tier = preconditions.tier(tx.index, command.tier).id
    for at, version in enumerate(command.from_versions):
        preconditions.tier_version(tx.index, command.tier, version, f"from_versions[{at}]")
    to = TIER + _held(tx, command.tier, command.version, "version")
    leaving = {kept_id(tier, version) for version in command.from_versions}
    moved = []
    for tenant in _selected(tx, command):
        after = _moved(tenant, tier, leaving, to, tx.now)
        if after != tenant:
            changed(tx, "tenant.migrated", tenant, after)
            moved.append(tenant.id)
    index = tx.after()
    return Migrated(
        len(moved),
        tuple(moved[:MAX_NAMES]),
        summed(effect(tx.index, index, tx.now), sample),
        grouped(tenant_impacts(tx.index, index, tx.now), sample),
    )


def _selected(tx: Transaction, command: MigrateTenants) -> Iterator[Tenant]:
    """Iterate over the customers that are asked for and not offboarded, by id."""
    for at, name in enumerate(command.tenants):
        preconditions.customer(tx.index, name, f"tenants[{at}]")
    for name in sorted(command.tenants or (name for name, _ in tx.index.tenants.items())):
        tenant = tx.index.tenants[name].fact
        if (
            name != SYSTEM
            and name.startswith(command.tenant_prefix)
            and tenant.state_at(tx.now) is not TenantState.OFFBOARDED
        ):
            yield tenant


def _moved(tenant: Tenant, tier: str, leaving: set[str], to: str, now: Instant) -> Tenant:
    """Hold `to` in the place of the versions that are left, within the same windows."""
    subscription_items = (
        replace(item, plan=to)
        if item.window.valid_until > now
        and split_version(item.plan)[0] == tier
        and (not leaving or item.plan in leaving)
        else item
        for item in tenant.subscription_items
    )
    return replace(tenant, subscription_items=tuple(subscription_items))


def _held(tx: Transaction, tier: str, version: int, field: str) -> str:
    """Name what is held of a tier, keeping the version if it is the latest and not kept yet."""
    plan_version = preconditions.tier_version(tx.index, tier, version, field)
    if version and not plan_version.is_kept:
        for plan in frozen(tx.index.plans, plan_version.id):
            tx.change(None, plan)
            record = AuditRecord(
                "tier.version_kept", SYSTEM, (plan.id,), None, plan, tx.call.reason
            )
            tx.record(record)
    return kept_id(checked("tier", tier), version)


def _a_version(index: Index, tier: str, version: int) -> Plan:
    """Find the version that a number names. Raises: INVALID_FIELD for none."""
    if not version:
        raise InvalidArgument(
            ErrorReason.INVALID_FIELD, "a version is required: name one, from 1", field="version"
        )
    return preconditions.tier_version(index, tier, version)


def _told(plan: Plan, holders: Counter[str]) -> TierVersion:
    name, _ = split_version(plan.id)
    extends, extends_version = split_version(plan.extends)
    return TierVersion(
        replace(plan, id=name, extends=extends),
        not plan.is_kept,
        extends_version,
        holders[kept_id(name, plan.version)],
        0 if plan.is_kept else holders[name],
    )


def _holders(index: Index, at: Instant) -> Counter[str]:
    """Count by plan the tenants that hold it, now or later."""
    holders: Counter[str] = Counter()
    for entry in index.tenants.values():
        holders.update({h.plan for h in entry.fact.subscription_items if h.window.valid_until > at})
    return holders


def _place(version: TierVersion) -> str:
    return f"{2**31 - version.plan.version:010}"
