"""What is kept of a tenant's events, so that one more costs the same however many came before.

Of each agreement: what it was before its last instant, and the events since. A few events before
them are kept, too, for senders deliver out of order. One that came later than all of these does not
fit in any more; then all events are read once again.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Final

from authz_service.domain.agreement import Agreement, Rank
from authz_service.domain.agreement_course import Branch, Meaning, branches, follow
from authz_service.domain.contract import Contract, Merging, asks, by_agreement, together

_MOST_EARLIER: Final = 8
"""Events of an agreement that are kept for others that come late; a few hundred bytes each."""


@dataclass(frozen=True, slots=True)
class Running:
    """An agreement at an instant, and its events from then on: at least those of the last instant,
    and all since the first whose order cannot be told yet.

    `start` has come about by the `earlier` events out of `origin`, None if there are none.
    """

    start: Branch
    recent: tuple[Meaning, ...]
    earlier: tuple[Meaning, ...] = ()
    origin: Branch | None = None

    def joined(self, meaning: Meaning, rank: Rank) -> "Running | None":
        """Add an event; None if it came too late."""
        if meaning.time >= self.recent[0].time:
            recent = _ordered((*self.recent, meaning))
            return settled(replace(self, recent=recent), rank)
        if self.origin is None or meaning.time < self.earlier[0].time:
            return None
        return settled(Running(self.origin, _ordered((*self.earlier, *self.recent, meaning))), rank)


@dataclass(frozen=True, slots=True)
class RunningContract:
    """A tenant's contract as far as its events have come. `order` is that of tiers by then."""

    order: tuple[str, ...] = ()
    asking: tuple[Meaning, ...] = ()
    wide: tuple[Meaning, ...] = ()
    running: tuple[Running, ...] = ()

    def contract(self, merging: Merging) -> Contract:
        courses = [follow(running.start, running.recent, merging.rank) for running in self.running]
        return together(self.asking, courses)

    def joined(self, meaning: Meaning, merging: Merging) -> "RunningContract | None":
        """Add an event; None if it came too late for what is kept."""
        if not meaning.agreement:
            return self._joined_wide(meaning, merging)
        agreements = {(r.start.agreement.source, r.start.agreement.id): r for r in self.running}
        name = (meaning.source, meaning.agreement)
        running = agreements.get(name)
        if running is None:
            about = [w for w in self.wide if _concerns(w, meaning.source, meaning.subject)]
            own = sorted((meaning, *about), key=lambda m: (m.time, m.rank))
            later = tuple(m for m in own if m.time >= meaning.time)
            agreement = Agreement(
                source=meaning.source, id=meaning.agreement, subject=meaning.subject
            )
            after = settled(Running(Branch(agreement), later), merging.rank)
        elif meaning.subject != running.start.agreement.subject:
            return None
        else:
            joined = running.joined(meaning, merging.rank)
            if joined is None:
                return None
            after = joined
        ordered = sorted((agreements | {name: after}).items())
        asking = _asking((*self.asking, meaning)) if asks(meaning) else self.asking
        return replace(self, asking=asking, running=tuple(item for _, item in ordered))

    def _joined_wide(self, meaning: Meaning, merging: Merging) -> "RunningContract | None":
        """Add what concerns the account, or all agreements of a subject that there are by then."""
        after: list[Running] = []
        for running in self.running:
            agreement = running.start.agreement
            joined: Running | None = running
            if _concerns(meaning, agreement.source, agreement.subject):
                joined = running.joined(meaning, merging.rank)
            if joined is None:
                return None
            after.append(joined)
        return replace(
            self,
            asking=_asking((*self.asking, meaning)) if asks(meaning) else self.asking,
            wide=(*self.wide, meaning),
            running=tuple(after),
        )


def started(meanings: Iterable[Meaning], merging: Merging) -> RunningContract:
    """Read all events once."""
    distinct = {(meaning.source, meaning.id): meaning for meaning in meanings}
    ordered = sorted(distinct.values(), key=lambda meaning: meaning.time)
    return RunningContract(
        merging.order,
        _asking(filter(asks, ordered)),
        tuple(meaning for meaning in ordered if not meaning.agreement),
        tuple(
            settled(Running(start, tuple(own)), merging.rank)
            for start, own in by_agreement(ordered)
        ),
    )


def settled(running: Running, rank: Rank) -> Running:
    """Forget the events of all instants but the last, once their order makes no difference."""
    last = running.recent[-1].time
    earlier = [meaning for meaning in running.recent if meaning.time < last]
    ends, _ = branches(running.start, earlier, rank)
    if len(ends) > 1:
        return running
    origin = running.start if running.origin is None else running.origin
    before = (*running.earlier, *earlier)
    start, recent = next(iter(ends)), running.recent[len(earlier) :]
    if not before:
        return Running(start, recent)
    return Running(start, recent, *_shortened(before, origin, rank))


def _shortened(
    earlier: tuple[Meaning, ...], origin: Branch, rank: Rank
) -> tuple[tuple[Meaning, ...], Branch]:
    """Forget the older half of too many events, but none of the instants that are left."""
    if len(earlier) <= _MOST_EARLIER:
        return earlier, origin
    since = earlier[-(_MOST_EARLIER // 2)].time
    older = [meaning for meaning in earlier if meaning.time < since]
    ends, _ = branches(origin, older, rank)
    return (earlier, origin) if len(ends) > 1 else (earlier[len(older) :], next(iter(ends)))


def _ordered(meanings: Iterable[Meaning]) -> tuple[Meaning, ...]:
    return tuple(sorted(meanings, key=lambda meaning: (meaning.time, meaning.rank)))


def _concerns(wide: Meaning, source: str, subject: str) -> bool:
    return wide.source == source and bool(subject) and wide.subject == subject


def _asking(meanings: Iterable[Meaning]) -> tuple[Meaning, ...]:
    """Keep of events that say the same the first and the last."""
    ordered = sorted(meanings, key=lambda meaning: (meaning.time, meaning.rank))
    first = {repr(meaning.clauses): meaning for meaning in reversed(ordered)}
    last = {repr(meaning.clauses): meaning for meaning in ordered}
    distinct = {(m.source, m.id): m for m in (*first.values(), *last.values())}
    return tuple(sorted(distinct.values(), key=lambda m: (m.time, m.rank, repr(m.clauses))))
