"""Customers' accounts: opened, described, moved between tiers, found."""

from bisect import bisect_left
from dataclasses import dataclass, fields, replace

from authz_service.domain.catalog import ADD_ON, SEATS, Limit
from authz_service.domain.identifiers import checked
from authz_service.domain.lifecycle import require_not_offboarded, trial
from authz_service.domain.schedule import checked_later
from authz_service.domain.subscription import moved_to_tier, moving_to_tier
from authz_service.domain.tenant import SYSTEM, StatePeriod, SubscriptionItem, Tenant, TenantState
from authz_service.domain.window import Instant
from authz_service.engine import seats
from authz_service.engine.entitlements import LimitInForce, limit_in_force
from authz_service.errors import (
    AlreadyExists,
    ErrorReason,
    FailedPrecondition,
    InvalidArgument,
)
from authz_service.store.unit_of_work import Transaction
from authz_service.usecases.kernel import field_masks, paging, preconditions
from authz_service.usecases.kernel.billing_policy import in_force
from authz_service.usecases.kernel.execution import View, change, read
from authz_service.usecases.kernel.paging import Page, PageRequest
from authz_service.usecases.members.members import NewMember, join, require_distinct, with_owner
from authz_service.usecases.members.roster import MemberNow, as_joined
from authz_service.usecases.members.seats import require_room
from authz_service.usecases.tenants.downgrade import fit
from authz_service.usecases.tenants.downgrade_step import Step
from authz_service.usecases.tenants.subscriptions import require_limits
from authz_service.usecases.tenants.tenant_view import TenantNow, changed, tenant_now

AFTER_TRIAL = (TenantState.SUSPENDED, TenantState.ACTIVE)
"""What can follow a trial."""

_LAST = "\x7f"
"""Comes after every character of a tenant's id."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OnboardTenant:
    """`trial_until` makes it a trial with that end; `after_trial` None means suspended."""

    tenant: str
    tier: str
    display_name: str = ""
    trial: bool = False
    trial_until: Instant | None = None
    after_trial: TenantState | None = None
    add_ons: tuple[str, ...] = ()
    limits: tuple[Limit, ...] = ()
    members: tuple[NewMember, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class UpdateTenant:
    """`mask` names the fields to change; `expected_revision` 0 asks for none."""

    tenant: str
    display_name: str = ""
    mask: tuple[str, ...] = ()
    expected_revision: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class SetTier:
    """`at` None is now. What no longer fits is left alone unless the policy is to be applied."""

    tenant: str
    tier: str
    at: Instant | None = None
    apply_downgrade_policy: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class OneTenant:
    tenant: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ListTenants:
    """`state` None and "" stand for any; `text` stands in the display name, whatever its case."""

    page: PageRequest
    state: TenantState | None = None
    tier: str = ""
    add_on: str = ""
    id_prefix: str = ""
    text: str = ""
    tenant: str = ""


@dataclass(frozen=True, slots=True)
class Onboarded:
    tenant: TenantNow
    members: tuple[MemberNow, ...]


@dataclass(frozen=True, slots=True)
class Moved(TenantNow):
    """The tenant, and what the downgrade policy did."""

    steps: tuple[Step, ...] = ()


@dataclass(frozen=True, slots=True)
class TenantInNumbers:
    """`seats` None: the tenant is not sold by seats."""

    tenant: TenantNow
    members: int
    seats_taken: int
    seats: LimitInForce | None


@change
def onboard_tenant(tx: Transaction, command: OnboardTenant) -> Onboarded:
    """Open an account: tenant, tier, add-ons, first admin and roles in one step."""
    opened = open_account(tx, command)
    subjects = [member.subject for member in command.members]
    return Onboarded(opened, as_joined(tx, opened.id, subjects))


def open_account(tx: Transaction, command: OnboardTenant) -> TenantNow:
    """Open an account, and do not describe its members."""
    _require_free(tx, command.tenant)
    preconditions.text(command.display_name, "display_name", at_most=200)
    preconditions.batch(len(command.members), "members")
    require_distinct(command.members, "members")
    tenant = Tenant(
        command.tenant,
        command.display_name,
        _first_periods(command, tx.now),
        subscription_items=_first_items(tx, command),
        created_at=tx.now,
    )
    require_limits(tx.index, tenant, command.limits)
    tenant = replace(tenant, limits=command.limits)
    opened = changed(tx, "tenant.onboarded", None, tenant)
    for at, member in enumerate(with_owner(tx.index, command.members)):
        join(tx, tenant, member, f"members[{at}].")
    require_room(tx, tenant.id)
    return opened


@change
def update_tenant(tx: Transaction, command: UpdateTenant) -> TenantNow:
    """Change what the mask names, if the tenant is still the one that the caller has read."""
    tenant = preconditions.customer(tx.index, command.tenant, "tenant.id")
    field_masks.checked(command.mask, ("display_name",))
    preconditions.text(command.display_name, "tenant.display_name", at_most=200)
    field_masks.unchanged(tenant.revision, command.expected_revision)
    after = replace(tenant, display_name=command.display_name)
    return changed(tx, "tenant.updated", tenant, after)


@change
def set_tier(tx: Transaction, command: SetTier) -> Moved:
    """Move a tenant to a tier, now or at an instant.

    The last word counts: whatever move was scheduled before gives way.
    """
    tenant = preconditions.customer(tx.index, command.tenant)
    require_not_offboarded(tenant, tx.now, "moved to a tier")
    preconditions.tier(tx.index, command.tier)
    if command.at is not None:
        at = checked_later(command.at, tx.now, "effective_time")
        if command.apply_downgrade_policy:
            raise _wrong(
                "the downgrade policy cannot be applied ahead of time, and is applied at "
                "that instant; leave it or `effective_time` out",
                "apply_downgrade_policy",
            )
        after = moving_to_tier(tenant, command.tier, at, tx.now)
        return _moved(changed(tx, "tenant.tier_scheduled", tenant, after))
    now = changed(tx, "tenant.tier_set", tenant, moved_to_tier(tenant, command.tier))
    if not command.apply_downgrade_policy:
        return _moved(now)
    return _moved(now, fit(tx, tenant.id, in_force(tx.index).downgrade))


@read
def get_tenant(view: View, query: OneTenant) -> TenantInNumbers:
    tenant = preconditions.tenant(view.index, query.tenant)
    return TenantInNumbers(
        tenant_now(tenant, view.now),
        view.index.tenants[tenant.id].members.size,
        seats.taken(view.index, tenant.id, view.now),
        limit_in_force(view.index, tenant, SEATS, view.now),
    )


@read
def list_tenants(view: View, query: ListTenants) -> Page[TenantNow]:
    """List the customers by id, without `system`."""
    if query.tier:
        checked("tier", query.tier)
    if query.add_on:
        checked("add_on", query.add_on)
    preconditions.text(query.text, "text", at_most=200)
    names = _named(view, query.id_prefix)
    if query.state or query.tier or query.add_on or query.text:
        names = [name for name in names if _matches(view.index.tenants[name].fact, view, query)]
    filters = ["tenants", query.state or "", query.tier]
    filters += [query.add_on, query.id_prefix, query.text]
    cut = paging.page(names, str, query.page, filters)
    shown = tuple(tenant_now(view.index.tenants[name].fact, view.now) for name in cut.items)
    return paging.described(cut, shown, lambda tenant: tenant.id, filters)


def _moved(now: TenantNow, steps: tuple[Step, ...] = ()) -> Moved:
    return Moved(**{f.name: getattr(now, f.name) for f in fields(now)}, steps=steps)


def _named(view: View, prefix: str) -> list[str]:
    """List the customers whose ids begin so, in byte order."""
    names = view.index.tenants.ordered()
    begin, end = (bisect_left(names, text) for text in (prefix, f"{prefix}{_LAST}"))
    return [name for name in names[begin:end] if name != SYSTEM]


def _matches(tenant: Tenant, view: View, query: ListTenants) -> bool:
    return (
        (not query.tier or tenant.tier_at(view.now) == query.tier)
        and (not query.add_on or ADD_ON + query.add_on in tenant.plans_at(view.now))
        and query.state in (None, tenant.state_at(view.now))
        and query.text.casefold() in tenant.display_name.casefold()
    )


def _first_periods(command: OnboardTenant, now: Instant) -> tuple[StatePeriod, ...]:
    if command.trial_until is None:
        if command.after_trial is not None:
            raise _wrong("after_trial follows a trial that ends; set trial_end_time", "after_trial")
        return (StatePeriod(TenantState.TRIAL if command.trial else TenantState.ACTIVE),)
    then = after_trial(command.after_trial, "after_trial")
    return trial(checked_later(command.trial_until, now, "trial_end_time"), then)


def after_trial(command: TenantState | None, field: str) -> TenantState:
    """Give what follows a trial; suspended, if nothing was said: nothing is given by default."""
    then = command or TenantState.SUSPENDED
    if then not in AFTER_TRIAL:
        raise _wrong(f"a trial is followed by suspended or active, not {then}", field)
    return then


def _first_items(tx: Transaction, command: OnboardTenant) -> tuple[SubscriptionItem, ...]:
    if len(set(command.add_ons)) < len(command.add_ons):
        raise _wrong("the same one is named twice; name each once", "add_ons")
    plans = [preconditions.tier(tx.index, command.tier)]
    plans += [preconditions.add_on(tx.index, name, "add_ons") for name in command.add_ons]
    return tuple(SubscriptionItem(plan.id) for plan in plans)


def _require_free(tx: Transaction, tenant: str) -> None:
    if checked("tenant", tenant) == SYSTEM:
        raise FailedPrecondition(
            ErrorReason.TENANT_RESERVED,
            "the tenant `system` holds this service's own callers; choose another id",
            field="tenant",
        )
    if tx.index.tenant(tenant) is not None:
        raise AlreadyExists(
            ErrorReason.TENANT_EXISTS,
            f"tenant id {tenant!r} is taken; ids are never given twice, choose another",
            field="tenant",
            details={"tenant": tenant},
        )


def _wrong(message: str, field: str) -> InvalidArgument:
    return InvalidArgument(ErrorReason.INVALID_FIELD, message, field=field)
