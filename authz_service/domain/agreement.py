"""One agreement: a subscription, deal or order that a sender tells of, with a status of its own.

What an event says of it are clauses. Each dimension of an agreement (terms, standing, pause, end)
is set by its own verbs, so events about different dimensions can be applied in either order.
"""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, TypeAlias, assert_never

from authz_service.domain.tenant import OPEN_STATES, TenantState
from authz_service.domain.window import FOREVER, Instant


class Verb(StrEnum):
    """What an event can say of an agreement; `ONBOARD` alone concerns the account."""

    ONBOARD = "onboard"
    CHANGE_PLAN = "change_plan"
    PENDING = "pending"
    TRIAL = "trial"
    ACTIVE = "active"
    PAID = "paid"
    PAYMENT_FAILED = "payment_failed"
    PAST_DUE = "past_due"
    SUSPENDED = "suspended"
    PAUSED = "paused"
    RESUMED = "resumed"
    END = "end"
    CANCELLED = "cancelled"
    RENEWED = "renewed"
    CHURNED = "churned"
    REACTIVATED = "reactivated"


class Standing(StrEnum):
    """What the sender's status means, apart from pauses and ends."""

    PENDING = "pending"
    TRIAL = "trial"
    ACTIVE = "active"
    PAST_DUE = "past_due"
    SUSPENDED = "suspended"


@dataclass(frozen=True, slots=True)
class Lapse:
    """What follows when a trial or an agreement has run out: a state, or a tier to fall back to."""

    state: TenantState = TenantState.SUSPENDED
    tier: str = ""


SUSPENDED: Final = Lapse()
OFFBOARDED: Final = Lapse(TenantState.OFFBOARDED)


@dataclass(frozen=True, slots=True)
class Terms:
    """What is sold; "" sells no tier, as an add-on sold apart. A limit of None is unlimited."""

    tier: str = ""
    add_ons: frozenset[str] = frozenset()
    limits: tuple[tuple[str, int | None], ...] = ()


@dataclass(frozen=True, slots=True)
class Admin:
    """Who runs the account first: a subject, or a mail address to invite."""

    subject: str = ""
    email: str = ""
    roles: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Clause:
    """One thing that an event says.

    `until` is the end of a trial, of a pause or of the agreement, by verb; None stands for the
    event's own time (CANCELLED) or for never (PAUSED, END). `grace` are the microseconds that an
    unpaid agreement stays open. `term_end` is when a smaller plan takes effect if not at once.
    """

    verb: Verb
    terms: Terms | None = None
    display_name: str = ""
    admin: Admin | None = None
    until: Instant | None = None
    grace: Instant = 0
    term_end: Instant | None = None
    then: Lapse = SUSPENDED
    replaces: str = ""


Rank: TypeAlias = Callable[[str], int]
"""Orders tiers from the smallest."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Agreement:
    """One agreement after some of its events.

    `subject` is the customer as the sender names it. `carried` is the tier it gave when it last
    was in good standing for one: one that never was neither opens nor closes an account.
    `next_terms` hold from `next_at` on. `sold` and `limited` name every add-on and limit that was
    ever part of it. `replaces` is the agreement whose place it takes.
    """

    source: str
    id: str
    subject: str = ""
    terms: Terms = Terms()
    next_terms: Terms | None = None
    next_at: Instant = FOREVER
    sold: frozenset[str] = frozenset()
    limited: frozenset[str] = frozenset()
    standing: Standing = Standing.PENDING
    carried: str = ""
    trial_until: Instant = FOREVER
    trial_then: Lapse = SUSPENDED
    grace_until: Instant = FOREVER
    paused_until: Instant | None = None
    ends_at: Instant = FOREVER
    ends_then: Lapse = SUSPENDED
    replaces: str = ""

    def terms_at(self, at: Instant) -> Terms:
        return self.terms if self.next_terms is None or at < self.next_at else self.next_terms

    def state_at(self, at: Instant) -> TenantState:
        """Name the state of an account that has this agreement alone."""
        if self.ends_at <= at:
            return self.ends_then.state
        if self.paused_until is not None and at < self.paused_until:
            return TenantState.SUSPENDED
        match self.standing:
            case Standing.ACTIVE:
                return TenantState.ACTIVE
            case Standing.TRIAL:
                return TenantState.TRIAL if at < self.trial_until else self.trial_then.state
            case Standing.PAST_DUE:
                return TenantState.GRACE if at < self.grace_until else TenantState.SUSPENDED
            case Standing.PENDING | Standing.SUSPENDED:
                return TenantState.SUSPENDED
            case _:
                assert_never(self.standing)

    def fallback_at(self, at: Instant) -> str:
        """Name the tier that is left to the account once this has run out; "" for none."""
        if self.ends_at <= at:
            return self.ends_then.tier
        trial_over = self.standing is Standing.TRIAL and self.trial_until <= at
        return self.trial_then.tier if trial_over else ""

    def good_at(self, at: Instant) -> bool:
        """Tell whether it is in good standing: what it sells is the customer's."""
        return not self.fallback_at(at) and self.state_at(at) in OPEN_STATES

    def edges(self) -> tuple[Instant, ...]:
        """List the instants at which it may come to mean something else."""
        pause = FOREVER if self.paused_until is None else self.paused_until
        return self.next_at, self.trial_until, self.grace_until, pause, self.ends_at
