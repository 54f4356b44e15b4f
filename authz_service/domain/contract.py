"""What a customer has agreed to: all agreements together, computed from all that events say.

Events arrive late, twice and out of order. A contract is computed from all of them in the order in
which they happened, so the order of arrival cannot matter; what an event does to an account is the
difference between the contract without it and the contract with it.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Final, TypeVar

from authz_service.domain.agreement import Admin, Agreement, Terms, Verb
from authz_service.domain.agreement_course import Branch, Course, Meaning, Name, follow
from authz_service.domain.catalog import MAX_NUMBER
from authz_service.domain.tenant import StatePeriod, TenantState
from authz_service.domain.window import FOREVER, Instant, Window


class Quantity(StrEnum):
    """What the quantities of several agreements come to."""

    SUM = "sum"
    MAX = "max"


@dataclass(frozen=True, slots=True)
class Merging:
    """How agreements make one account: tiers from the smallest, and what limits come to."""

    order: tuple[str, ...] = ()
    quantities: Mapping[str, Quantity] = field(default_factory=dict)

    def rank(self, tier: str) -> int:
        """Rank a tier; one that is not ordered is above all, and none at all below."""
        if not tier:
            return -1
        return self.order.index(tier) if tier in self.order else len(self.order)


@dataclass(frozen=True, slots=True)
class Contract:
    """The sum of all events of a tenant.

    `admins` are those that onboarding events name, the earliest first. `unclear` are events that
    count for nothing because their order cannot be told.
    """

    opened: bool = False
    display_name: str = ""
    admins: tuple[Admin, ...] = ()
    agreements: tuple[Agreement, ...] = ()
    unclear: frozenset[Name] = frozenset()

    @property
    def carriers(self) -> tuple[Agreement, ...]:
        """List the agreements that carry access: in good standing at some time, for a tier."""
        return tuple(agreement for agreement in self.agreements if agreement.carried)

    @property
    def complete(self) -> bool:
        """Whether an account can be opened by it: it was asked for, and a tier was sold."""
        return self.opened and bool(self.carriers)

    def over(self, at: Instant) -> bool:
        """Tell whether all that carried access has ended for good."""
        carriers = self.carriers
        return bool(carriers) and all(
            agreement.state_at(at) is TenantState.OFFBOARDED for agreement in carriers
        )


EMPTY: Final = Contract()


@dataclass(frozen=True, slots=True)
class Share:
    """What agreements give an account at one instant."""

    state: TenantState
    terms: Terms


def fold(meanings: Iterable[Meaning], merging: Merging) -> Contract:
    """Compute a contract. Order and repetition of the meanings make no difference."""
    distinct = {(meaning.source, meaning.id): meaning for meaning in meanings}
    everything = sorted(distinct.values(), key=lambda meaning: meaning.time)
    courses = [follow(start, own, merging.rank) for start, own in by_agreement(everything)]
    return together(filter(asks, everything), courses)


def by_agreement(ordered: Sequence[Meaning]) -> Iterator[tuple[Branch, list[Meaning]]]:
    """Yield every agreement as it begins, and what is said of it, in the order of time.

    What concerns all agreements of a subject concerns those that there are by then.
    """
    grouped: defaultdict[tuple[str, str], list[Meaning]] = defaultdict(list)
    for meaning in ordered:
        if meaning.agreement:
            grouped[meaning.source, meaning.agreement].append(meaning)
    wide = [meaning for meaning in ordered if not meaning.agreement]
    for (source, id_), own in sorted(grouped.items()):
        subjects = {meaning.subject for meaning in own if meaning.subject}
        about = [m for m in wide if m.source == source and m.subject in subjects]
        later = [m for m in about if m.time >= own[0].time]
        agreement = Agreement(source=source, id=id_, subject=max(subjects, default=""))
        yield Branch(agreement), sorted([*own, *later], key=lambda m: (m.time, m.rank))


def asks(meaning: Meaning) -> bool:
    """Tell whether an event asks for the account."""
    return any(clause.verb is Verb.ONBOARD for clause in meaning.clauses)


def together(asking: Iterable[Meaning], courses: Sequence[Course]) -> Contract:
    """Put agreements together, and who asked for the account, as what, and who runs it."""
    # By content within one instant, for want of anything else that could order them.
    ordered = sorted(asking, key=lambda m: (m.time, m.rank, repr(m.clauses)))
    name, admins = "", dict[Admin, None]()
    for clause in (clause for meaning in ordered for clause in meaning.clauses):
        name = clause.display_name or name
        admins |= {clause.admin: None} if clause.admin else {}
    return Contract(
        bool(ordered),
        name,
        tuple(admins),
        tuple(course.agreement for course in courses),
        frozenset().union(*(course.unclear for course in courses)),
    )


def share_at(contract: Contract, merging: Merging, at: Instant) -> Share:
    """Say what the account has at an instant.

    It is open as long as one that carries access is in good standing.
    """
    agreements = [a for a in contract.agreements if a.good_at(at)]
    replaced = {(a.source, a.replaces) for a in agreements if a.replaces}
    agreements = [a for a in agreements if (a.source, a.id) not in replaced]
    carriers = [a for a in agreements if a.terms_at(at).tier]
    aside = [a for a in agreements if not a.terms_at(at).tier]
    if carriers:
        state = min((a.state_at(at) for a in carriers), key=_BEST.index)
        return Share(state, _together(carriers, aside, merging, at))
    if not contract.carriers:
        return Share(TenantState.SUSPENDED, _together([], aside, merging, at))
    return _lapsed(contract, aside, merging, at)


_BEST: Final = (TenantState.ACTIVE, TenantState.TRIAL, TenantState.GRACE)


def _lapsed(contract: Contract, aside: list[Agreement], merging: Merging, at: Instant) -> Share:
    """Say what is left once nothing that carries access is in good standing."""
    carriers = contract.carriers
    fallbacks = {agreement.fallback_at(at) for agreement in carriers} - {""}
    if fallbacks:
        rest = _together([], aside, merging, at)
        return Share(TenantState.ACTIVE, replace(rest, tier=max(fallbacks, key=merging.rank)))
    over = contract.over(at)
    state = TenantState.OFFBOARDED if over else TenantState.SUSPENDED
    last = max(carriers, key=lambda agreement: _dormancy(agreement, merging, at))
    terms = _together([last], aside, merging, at)
    return Share(state, replace(terms, tier=terms.tier or last.carried))


def _dormancy(agreement: Agreement, merging: Merging, at: Instant) -> tuple[object, ...]:
    """Order agreements that lapsed: one that may go on before the last that ended."""
    ended = agreement.ends_at if agreement.ends_at <= at else FOREVER
    terms = agreement.terms_at(at)
    return ended, merging.rank(terms.tier), repr(terms)


def _together(
    carriers: list[Agreement], aside: list[Agreement], merging: Merging, at: Instant
) -> Terms:
    """Merge terms: the highest tier, all add-ons, of limits what is declared.

    A limit that the agreement with the highest tier leaves to its tier is not taken from an
    agreement for a smaller one; what is sold apart from any tier counts beside it.
    """
    tier = max((a.terms_at(at).tier for a in carriers), key=merging.rank, default="")
    top = {n for a in carriers if a.terms_at(at).tier == tier for n, _ in a.terms_at(at).limits}
    limits: dict[str, int | None] = {}
    for agreement in (*carriers, *aside):
        for name, value in agreement.terms_at(at).limits:
            if name in top or agreement in aside:
                merged = _merged(limits[name], value, merging, name) if name in limits else value
                limits[name] = merged
    add_ons = frozenset().union(*(a.terms_at(at).add_ons for a in (*carriers, *aside)))
    return Terms(tier, add_ons, tuple(sorted(limits.items())))


def _merged(first: int | None, other: int | None, merging: Merging, name: str) -> int | None:
    """Merge two quantities; None is unlimited."""
    if first is None or other is None:
        return None
    if merging.quantities.get(name, Quantity.MAX) is Quantity.SUM:
        return min(first + other, MAX_NUMBER)
    return max(first, other)


def shares(contract: Contract, merging: Merging, now: Instant) -> tuple[tuple[Share, Window], ...]:
    """Say what the account has from `now` on, and when."""
    ahead = {e for a in contract.agreements for e in a.edges() if now < e < FOREVER}
    starts = sorted({now, *ahead})
    windows = map(Window, starts, [*starts[1:], FOREVER])
    return tuple((share_at(contract, merging, w.valid_from), w) for w in windows)


def periods(contract: Contract, merging: Merging, now: Instant) -> tuple[StatePeriod, ...]:
    """Lay out the states from `now` on; suspension is the absence of a period."""
    states = ((share.state, window) for share, window in shares(contract, merging, now))
    open_ = ((state, window) for state, window in states if state is not TenantState.SUSPENDED)
    return tuple(StatePeriod(state, window) for state, window in joined(open_))


T = TypeVar("T")


def joined(phases: Iterable[tuple[T, Window]]) -> Iterator[tuple[T, Window]]:
    """Make one phase of neighbours with the same value."""
    last: tuple[T, Window] | None = None
    for value, window in phases:
        if last is not None and last[0] == value and last[1].valid_until == window.valid_from:
            last = (value, Window(last[1].valid_from, window.valid_until))
            continue
        if last is not None:
            yield last
        last = (value, window)
    if last is not None:
        yield last
