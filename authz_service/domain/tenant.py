"""A customer's account: its lifecycle, what suspends it, and which plans it holds."""

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from authz_service.domain.catalog import ADD_ON, TIER, Limit, split_version
from authz_service.domain.window import ALWAYS, Instant, Window

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
    SEATS = "seats"
    """No seat is left for a member: the downgrade policy lays it on, nobody else."""


@dataclass(frozen=True, slots=True)
class StatePeriod:
    state: TenantState
    window: Window = ALWAYS


@dataclass(frozen=True, slots=True)
class SubscriptionItem:
    """A tenant holds a plan (`tier/pro`, `addon/audit`) for a window."""

    plan: str
    window: Window = ALWAYS


@dataclass(frozen=True, slots=True)
class DatedLimit:
    """A limit of a tenant's own that holds within a window."""

    limit: Limit
    window: Window


@dataclass(frozen=True, slots=True)
class Tenant:
    """Lifecycle periods do not overlap; an instant that none covers counts as suspended.

    `limits` are the tenant's own, what its contract bought: each stands in the place of what tier
    and add-ons come to. Of one name there is either one without dates, or some in `dated_limits`
    whose windows do not overlap. `ended_revision` is that of the offboarding that ended all access
    in the tenant, 0 if none did: what it ended comes back with the tenant. `revision` is that of
    the last commit which changed the tenant: it says when, and is no part of what the tenant is.
    """

    id: str
    display_name: str = ""
    periods: tuple[StatePeriod, ...] = (StatePeriod(TenantState.ACTIVE),)
    suspensions: frozenset[SuspensionReason] = frozenset()
    subscription_items: tuple[SubscriptionItem, ...] = ()
    limits: tuple[Limit, ...] = ()
    created_at: Instant = 0
    revision: int = field(default=0, compare=False)
    dated_limits: tuple[DatedLimit, ...] = ()
    ended_revision: int = 0

    def __post_init__(self) -> None:
        # INVARIANT: each once and in one order, tiers first, so that equal tenants compare equal
        # however they were written: rows have no order of their own.
        periods = sorted(set(self.periods), key=lambda period: period.window.valid_from)
        subscription_items = sorted(set(self.subscription_items), key=_tiers_first)
        object.__setattr__(self, "periods", tuple(periods))
        object.__setattr__(self, "subscription_items", tuple(subscription_items))
        limits = sorted(self.limits, key=lambda limit: limit.name)
        object.__setattr__(self, "limits", tuple(limits))
        dated = sorted(self.dated_limits, key=lambda d: (d.limit.name, d.window.valid_from))
        object.__setattr__(self, "dated_limits", tuple(dated))

    def state_at(self, at: Instant) -> TenantState:
        dated = self.dated_state_at(at)
        if self.suspensions and dated is not TenantState.OFFBOARDED:
            return TenantState.SUSPENDED
        return dated

    def dated_state_at(self, at: Instant) -> TenantState:
        """Tell the state that dates alone make, whatever else suspends the tenant."""
        covering = (p.state for p in self.periods if p.window.covers(at))
        return next(covering, TenantState.SUSPENDED)

    def plans_at(self, at: Instant) -> tuple[str, ...]:
        return tuple(h.plan for h in self.subscription_items if h.window.covers(at))

    def tier_at(self, at: Instant) -> str:
        """Name the tier held, without its `tier/` and its version; "" for none."""
        return split_version(self.tier_held_at(at))[0]

    def tier_version_at(self, at: Instant) -> int:
        """Tell the version of the tier that is held; 0 for the latest, whichever that is."""
        return split_version(self.tier_held_at(at))[1]

    def tier_held_at(self, at: Instant) -> str:
        """Name the tier held with the version, if it is held in one: `pro`, or `pro@3`."""
        tiers = [plan for plan in self.plans_at(at) if plan.startswith(TIER)]
        return tiers[0].removeprefix(TIER) if tiers else ""

    def add_ons_at(self, at: Instant) -> tuple[str, ...]:
        """Name the add-ons held, each once and without its `addon/`, in byte order."""
        add_ons = {plan for plan in self.plans_at(at) if plan.startswith(ADD_ON)}
        return tuple(sorted(plan.removeprefix(ADD_ON) for plan in add_ons))

    def limits_at(self, at: Instant) -> tuple[Limit, ...]:
        """List the limits of the tenant's own that hold at an instant, by name."""
        if not self.dated_limits:
            return self.limits
        dated = (
            dated_limit.limit for dated_limit in self.dated_limits if dated_limit.window.covers(at)
        )
        return tuple(sorted((*self.limits, *dated), key=lambda limit: limit.name))

    def limit(self, name: str, at: Instant) -> Limit | None:
        """Find a limit of the tenant's own."""
        return next((limit for limit in self.limits_at(at) if limit.name == name), None)


def _tiers_first(item: SubscriptionItem) -> tuple[bool, str, Instant, Instant]:
    window = item.window
    return not item.plan.startswith(TIER), item.plan, window.valid_from, window.valid_until
