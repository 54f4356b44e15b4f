"""A customer's account: its lifecycle, what suspends it, and which plans it holds."""

from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final

from authz_service.domain.catalogue import TIER
from authz_service.domain.window import ALWAYS, FOREVER, Instant, Window
from authz_service.errors import ErrorReason, FailedPrecondition

SYSTEM: Final = "system"
"""The reserved tenant whose members are this service's own callers."""


class TenantState(StrEnum):
    ACTIVE = "active"
    TRIAL = "trial"
    GRACE = "grace"
    SUSPENDED = "suspended"
    OFFBOARDED = "offboarded"


OPEN_STATES: Final = frozenset({TenantState.ACTIVE, TenantState.TRIAL, TenantState.GRACE})
"""States in which members may act at all."""


class SuspensionReason(StrEnum):
    """Who closed a tenant or a membership. Each is lifted alone."""

    BILLING = "billing"
    ADMIN = "admin"
    SCIM = "scim"
    RISK = "risk"


@dataclass(frozen=True, slots=True)
class StatePeriod:
    state: TenantState
    window: Window = ALWAYS


@dataclass(frozen=True, slots=True)
class Holding:
    """A tenant holds a plan (`tier/pro`, `addon/audit`) for a window."""

    plan: str
    window: Window = ALWAYS


@dataclass(frozen=True, slots=True)
class Tenant:
    """Lifecycle periods do not overlap; an instant that none covers counts as suspended."""

    id: str
    display_name: str = ""
    periods: tuple[StatePeriod, ...] = (StatePeriod(TenantState.ACTIVE),)
    suspensions: frozenset[SuspensionReason] = frozenset()
    holdings: tuple[Holding, ...] = ()

    def __post_init__(self) -> None:
        # INVARIANT: each once and in one order, tiers first, so that equal tenants compare equal
        # however they were written: rows have no order of their own.
        periods = sorted(set(self.periods), key=lambda period: period.window.valid_from)
        holdings = sorted(set(self.holdings), key=_tiers_first)
        object.__setattr__(self, "periods", tuple(periods))
        object.__setattr__(self, "holdings", tuple(holdings))

    def state_at(self, at: Instant) -> TenantState:
        covering = [p.state for p in self.periods if p.window.covers(at)]
        if covering == [TenantState.OFFBOARDED]:
            return TenantState.OFFBOARDED
        if self.suspensions or not covering:
            return TenantState.SUSPENDED
        return covering[0]

    def plans_at(self, at: Instant) -> tuple[str, ...]:
        return tuple(h.plan for h in self.holdings if h.window.covers(at))

    def tier_at(self, at: Instant) -> str:
        """Name the tier held, without its `tier/`; "" for none."""
        tiers = [plan for plan in self.plans_at(at) if plan.startswith(TIER)]
        return tiers[0].removeprefix(TIER) if tiers else ""


def suspended(tenant: Tenant, reason: SuspensionReason, at: Instant) -> Tenant:
    """Add one reason. Raises: FailedPrecondition if it holds already or the tenant has ended."""
    _require_not_offboarded(tenant, at, "suspended")
    if reason in tenant.suspensions:
        raise _conflict(f"tenant {tenant.id!r} is already suspended for reason {reason}", reason)
    return replace(tenant, suspensions=tenant.suspensions | {reason})


def resumed(tenant: Tenant, reason: SuspensionReason, at: Instant) -> Tenant:
    """Lift one reason. Raises: FailedPrecondition if it does not hold or the tenant has ended."""
    _require_not_offboarded(tenant, at, "resumed")
    if reason not in tenant.suspensions:
        held = ", ".join(sorted(tenant.suspensions)) or "none"
        raise _conflict(
            f"tenant {tenant.id!r} is not suspended for reason {reason} (reasons held: {held})",
            reason,
        )
    return replace(tenant, suspensions=tenant.suspensions - {reason})


def offboarded(tenant: Tenant, at: Instant) -> Tenant:
    """End the tenant for good from `at` on. Raises: FailedPrecondition if it has ended."""
    _require_not_offboarded(tenant, at, "offboarded again")
    ended = StatePeriod(TenantState.OFFBOARDED, Window(at, FOREVER))
    past = (
        replace(p, window=Window(p.window.valid_from, min(p.window.valid_until, at)))
        for p in tenant.periods
        if p.window.valid_from < at
    )
    return replace(tenant, periods=(*past, ended))


def moved_to_tier(tenant: Tenant, tier: str, at: Instant) -> Tenant:
    """Hold `tier` and no other from `at` on; add-ons stay.

    Raises: FailedPrecondition if the tenant has ended.
    """
    _require_not_offboarded(tenant, at, "moved to a tier")
    kept = tuple(h for h in tenant.holdings if not h.plan.startswith(TIER))
    return replace(tenant, holdings=(Holding(TIER + tier), *kept))


def _tiers_first(held: Holding) -> tuple[bool, str, Instant, Instant]:
    window = held.window
    return not held.plan.startswith(TIER), held.plan, window.valid_from, window.valid_until


def _require_not_offboarded(tenant: Tenant, at: Instant, change: str) -> None:
    if tenant.state_at(at) == TenantState.OFFBOARDED:
        raise FailedPrecondition(
            ErrorReason.TENANT_STATE_CONFLICT,
            f"tenant {tenant.id!r} is offboarded and cannot be {change}; onboard a new one",
            field="tenant",
        )


def _conflict(message: str, reason: SuspensionReason) -> FailedPrecondition:
    return FailedPrecondition(
        ErrorReason.TENANT_STATE_CONFLICT,
        message,
        field="suspension_reason",
        details={"suspension_reason": reason},
    )
