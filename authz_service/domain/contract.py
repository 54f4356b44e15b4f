"""What a customer has agreed to: a pure fold over all that its events say, in their own order.

Events arrive late, twice and out of order. A contract is computed from all of them sorted by
(time, source, id), so the order of arrival cannot matter; what an event does to an account is the
difference between the contract without it and the contract with it.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any, Final, assert_never

from authz_service.domain.tenant import StatePeriod, TenantState
from authz_service.domain.window import FOREVER, Instant, Window


class Deed(StrEnum):
    """What an event can say of a contract."""

    ONBOARD = "onboard"
    CHANGE_PLAN = "change_plan"
    TRIAL = "trial"
    PAID = "paid"
    PAST_DUE = "past_due"
    PAUSED = "paused"
    RESUMED = "resumed"
    CANCELLED = "cancelled"
    RENEWED = "renewed"
    CHURNED = "churned"
    REACTIVATED = "reactivated"


class Lapse(StrEnum):
    """What follows when something has run out."""

    ACTIVE = "active"
    SUSPENDED = "suspended"
    OFFBOARDED = "offboarded"


@dataclass(frozen=True, slots=True)
class Terms:
    """What is sold. `rank` orders tiers from the smallest; a limit of None is unlimited."""

    tier: str = ""
    add_ons: frozenset[str] = frozenset()
    limits: tuple[tuple[str, int | None], ...] = ()
    rank: int = 0


@dataclass(frozen=True, slots=True)
class Admin:
    """Who runs the account first: a subject, or a mail address to invite."""

    subject: str = ""
    email: str = ""
    roles: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Clause:
    """One thing that an event says.

    `until` is the end of a trial, of a grace period or of the contract, by deed; `term_end` is
    when a downgrade takes effect if it is not to at once.
    """

    deed: Deed
    terms: Terms | None = None
    display_name: str = ""
    admin: Admin | None = None
    until: Instant | None = None
    term_end: Instant | None = None
    then: Lapse = Lapse.SUSPENDED


@dataclass(frozen=True, slots=True)
class Meaning:
    """All that one event says of one tenant's contract."""

    time: Instant
    source: str
    id: str
    clauses: tuple[Clause, ...]


@dataclass(frozen=True, slots=True)
class Contract:
    """The sum of all events of a tenant.

    `admins` are those that onboarding events name, the earliest first. `next_terms` hold from
    `next_at` on. `sold` and `limited` name every add-on and limit that was ever part of it: what
    else the tenant has came from people and is none of the contract's.
    """

    opened: bool = False
    display_name: str = ""
    terms: Terms = Terms()
    next_terms: Terms | None = None
    next_at: Instant = FOREVER
    sold: frozenset[str] = frozenset()
    limited: frozenset[str] = frozenset()
    trial_until: Instant | None = None
    trial_then: Lapse = Lapse.SUSPENDED
    grace_until: Instant | None = None
    paused: bool = False
    ends_at: Instant | None = None
    ends_then: Lapse = Lapse.SUSPENDED
    churned: bool = False
    admins: tuple[Admin, ...] = ()

    @property
    def complete(self) -> bool:
        """Whether an account can be opened by it: it was asked for, and its tier is known."""
        return self.opened and bool(self.terms.tier)

    def over(self, at: Instant) -> bool:
        """Tell whether it has ended for good."""
        ran_out = self.ends_at is not None and self.ends_at <= at
        return self.churned or (ran_out and self.ends_then is Lapse.OFFBOARDED)

    def settled(self, at: Instant) -> "Contract":
        """Return it with the terms that hold at an instant."""
        if self.next_terms is None or at < self.next_at:
            return self
        return replace(self, terms=self.next_terms, next_terms=None, next_at=FOREVER)

    def state(self, at: Instant) -> TenantState:
        """Name the state of the account that the contract asks for, pauses left aside."""
        ended = self.ends_at is not None and self.ends_at <= at
        if self.over(at):
            return TenantState.OFFBOARDED
        trial_over = self.trial_until is not None and self.trial_until <= at
        lapsed = self.grace_until is not None and self.grace_until <= at
        if ended or lapsed or (trial_over and self.trial_then is not Lapse.ACTIVE):
            return TenantState.SUSPENDED
        if self.grace_until is not None:
            return TenantState.GRACE
        if self.trial_until is not None and not trial_over:
            return TenantState.TRIAL
        return TenantState.ACTIVE

    def periods(self, now: Instant) -> tuple[StatePeriod, ...]:
        """List the states from `now` on; suspension is the absence of a period."""
        ends = (self.trial_until, self.grace_until, self.ends_at)
        starts = sorted({now, *(end for end in ends if end is not None and end > now)})
        windows = map(Window, starts, [*starts[1:], FOREVER])
        found = [StatePeriod(self.state(window.valid_from), window) for window in windows]
        return tuple(_joined(p for p in found if p.state is not TenantState.SUSPENDED))


EMPTY: Final = Contract()


def fold(meanings: Iterable[Meaning]) -> Contract:
    """Compute a contract. Order and repetition of the meanings make no difference."""
    distinct = {(meaning.time, meaning.source, meaning.id): meaning for meaning in meanings}
    contract = EMPTY
    for key in sorted(distinct):
        for clause in distinct[key].clauses:
            contract = _after(contract, clause, key[0])
    return contract


def _after(contract: Contract, clause: Clause, at: Instant) -> Contract:
    """Add what was said at an instant. What is over stays over unless it is reactivated."""
    if clause.deed is Deed.REACTIVATED:
        contract = replace(
            contract, churned=False, ends_at=None, paused=False, grace_until=None, trial_until=None
        )
    elif contract.over(at):
        return contract
    contract = _with_terms(contract.settled(at), clause, at)
    if clause.display_name:
        contract = replace(contract, display_name=clause.display_name)
    return _with_deed(contract, clause, at)


def _with_deed(contract: Contract, clause: Clause, at: Instant) -> Contract:
    said: dict[str, Any] = {}
    match clause.deed:
        case Deed.ONBOARD:
            known = clause.admin is None or clause.admin in contract.admins
            new = () if known else (clause.admin,)
            said = {"opened": True, "admins": (*contract.admins, *new)}
        case Deed.TRIAL:
            said = {"trial_until": clause.until, "trial_then": clause.then}
        case Deed.PAID:
            said = {"trial_until": None, "grace_until": None}
        case Deed.PAST_DUE if contract.grace_until is None:
            # A second failed payment does not begin the grace period anew.
            said = {"trial_until": None, "grace_until": clause.until or at}
        case Deed.PAUSED | Deed.RESUMED:
            said = {"paused": clause.deed is Deed.PAUSED}
        case Deed.CANCELLED:
            said = {"ends_at": clause.until or at, "ends_then": clause.then}
        case Deed.RENEWED:
            said = {"ends_at": None}
        case Deed.CHURNED:
            said = {"churned": True}
        case Deed.PAST_DUE | Deed.CHANGE_PLAN | Deed.REACTIVATED:
            pass
        case _:
            assert_never(clause.deed)
    return replace(contract, **said)


def _with_terms(contract: Contract, clause: Clause, at: Instant) -> Contract:
    """Agree to other terms: larger ones hold at once, smaller ones from the end of the term."""
    terms = clause.terms
    if terms is None:
        return contract
    contract = replace(
        contract,
        sold=contract.sold | terms.add_ons,
        limited=contract.limited | {name for name, _ in terms.limits},
    )
    later = clause.term_end is not None and clause.term_end > at
    if clause.term_end is not None and later and terms.rank < contract.terms.rank:
        return replace(contract, next_terms=terms, next_at=clause.term_end)
    return replace(contract, terms=terms, next_terms=None, next_at=FOREVER)


def _joined(periods: Iterable[StatePeriod]) -> Iterator[StatePeriod]:
    """Make one period of neighbours in the same state."""
    last: StatePeriod | None = None
    for period in periods:
        touches = last is not None and last.window.valid_until == period.window.valid_from
        if last is not None and touches and last.state is period.state:
            last = replace(last, window=Window(last.window.valid_from, period.window.valid_until))
            continue
        if last is not None:
            yield last
        last = period
    if last is not None:
        yield last
