"""Customers' accounts, from the first day to the last."""

from dataclasses import dataclass

from authz_service.domain.audit import Event
from authz_service.domain.catalogue import ADD_ON
from authz_service.domain.identifiers import checked
from authz_service.domain.tenant import (
    SYSTEM,
    Holding,
    StatePeriod,
    SuspensionReason,
    Tenant,
    TenantState,
    moved_to_tier,
    offboarded,
    resumed,
    suspended,
)
from authz_service.domain.window import Instant
from authz_service.errors import AlreadyExists, ErrorReason
from authz_service.store.unit_of_work import Transaction
from authz_service.usecases import paging, require
from authz_service.usecases.execution import View, change, read
from authz_service.usecases.members import (
    MemberNow,
    NewMember,
    join,
    require_distinct,
    require_seats,
)
from authz_service.usecases.paging import Page, PageRequest


@dataclass(frozen=True, slots=True, kw_only=True)
class OnboardTenant:
    tenant: str
    tier: str
    display_name: str = ""
    trial: bool = False
    members: tuple[NewMember, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class SetTier:
    tenant: str
    tier: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Suspension:
    """One reason to lay on a tenant, or to lift."""

    tenant: str
    reason: SuspensionReason


@dataclass(frozen=True, slots=True, kw_only=True)
class OneTenant:
    tenant: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ListTenants:
    """`state` None and `tier` "" stand for any."""

    page: PageRequest
    state: TenantState | None = None
    tier: str = ""
    tenant: str = ""


@dataclass(frozen=True, slots=True)
class TenantNow:
    """A tenant as it stands at an instant."""

    id: str
    display_name: str
    state: TenantState
    suspensions: tuple[SuspensionReason, ...]
    tier: str
    add_ons: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Onboarded:
    tenant: TenantNow
    members: tuple[MemberNow, ...]


@change("tenants:onboard")
def onboard_tenant(tx: Transaction, wanted: OnboardTenant) -> Onboarded:
    """Open an account: tenant, tier, first admin and roles in one step."""
    _require_free(tx, wanted.tenant)
    require.text(wanted.display_name, "display_name", at_most=200)
    require.batch(len(wanted.members), "members")
    require_distinct(wanted.members, "members")
    tier = require.tier(tx.index, wanted.tier)
    state = TenantState.TRIAL if wanted.trial else TenantState.ACTIVE
    periods, holdings = (StatePeriod(state),), (Holding(tier.id),)
    tenant = Tenant(wanted.tenant, wanted.display_name, periods, holdings=holdings)
    require_seats(tx, tenant, len(wanted.members))
    opened = _replace(tx, "tenant.onboarded", None, tenant)
    members = (
        join(tx, tenant, member, f"members[{at}].") for at, member in enumerate(wanted.members)
    )
    return Onboarded(opened, tuple(members))


@change("tenants:set_tier")
def set_tier(tx: Transaction, wanted: SetTier) -> TenantNow:
    tenant = require.running_customer(tx.index, wanted.tenant, tx.now)
    require.tier(tx.index, wanted.tier)
    if tenant.tier_at(tx.now) == wanted.tier:
        return tenant_now(tenant, tx.now)
    return _replace(tx, "tenant.tier_set", tenant, moved_to_tier(tenant, wanted.tier, tx.now))


@change("tenants:suspend")
def suspend_tenant(tx: Transaction, wanted: Suspension) -> TenantNow:
    tenant = require.customer(tx.index, wanted.tenant)
    return _replace(tx, "tenant.suspended", tenant, suspended(tenant, wanted.reason, tx.now))


@change("tenants:resume")
def resume_tenant(tx: Transaction, wanted: Suspension) -> TenantNow:
    tenant = require.customer(tx.index, wanted.tenant)
    return _replace(tx, "tenant.resumed", tenant, resumed(tenant, wanted.reason, tx.now))


@change("tenants:offboard")
def offboard_tenant(tx: Transaction, wanted: OneTenant) -> TenantNow:
    tenant = require.customer(tx.index, wanted.tenant)
    return _replace(tx, "tenant.offboarded", tenant, offboarded(tenant, tx.now))


@read("tenants:get")
def get_tenant(view: View, wanted: OneTenant) -> TenantNow:
    return tenant_now(require.tenant(view.index, wanted.tenant), view.now)


@read("tenants:list")
def list_tenants(view: View, wanted: ListTenants) -> Page[TenantNow]:
    """List the customers by id; `system` is none of them."""
    if wanted.tier:
        checked("tier", wanted.tier)
    found = [
        entry.fact
        for name, entry in view.index.tenants.items()
        if name != SYSTEM
        and (not wanted.tier or entry.fact.tier_at(view.now) == wanted.tier)
        and wanted.state in (None, entry.fact.state_at(view.now))
    ]
    found.sort(key=lambda tenant: tenant.id)
    query = ["tenants", wanted.state or "", wanted.tier]
    cut = paging.page(found, lambda tenant: tenant.id, wanted.page, query)
    return Page(tuple(tenant_now(tenant, view.now) for tenant in cut.items), cut.next_token)


def tenant_now(tenant: Tenant, at: Instant) -> TenantNow:
    return TenantNow(
        id=tenant.id,
        display_name=tenant.display_name,
        state=tenant.state_at(at),
        suspensions=tuple(sorted(tenant.suspensions)),
        tier=tenant.tier_at(at),
        add_ons=tuple(
            sorted(p.removeprefix(ADD_ON) for p in tenant.plans_at(at) if p.startswith(ADD_ON))
        ),
    )


def _replace(tx: Transaction, action: str, before: Tenant | None, after: Tenant) -> TenantNow:
    was = tenant_now(before, tx.now) if before is not None else None
    now = tenant_now(after, tx.now)
    tx.change(before, after)
    tx.record(Event(action, after.id, (after.id,), was, now, tx.call.reason))
    return now


def _require_free(tx: Transaction, tenant: str) -> None:
    if tx.index.tenant(checked("tenant", tenant)) is not None:
        raise AlreadyExists(
            ErrorReason.TENANT_EXISTS,
            f"tenant id {tenant!r} is taken; ids are never given twice, choose another",
            field="tenant",
            details={"tenant": tenant},
        )
