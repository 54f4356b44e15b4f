"""The events of one agreement, in the order in which they happened.

Within one instant the order follows from meaning: the rank of the event's type, then what an event
says that the agreement was before it, then the later sequence. Where nothing of this tells, every
order is followed. A later event that leaves no difference between them settles the matter; as long
as none does, the events whose order matters are unclear and count for nothing. Ids never decide.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby, permutations
from typing import Final, TypeAlias

from authz_service.domain.agreement import Agreement, Clause, Rank
from authz_service.domain.agreement_change import after
from authz_service.domain.window import Instant

_MOST_ORDERS: Final = 5
"""Events of one instant and rank of which every order is tried; of more, each comes last once."""


@dataclass(frozen=True, slots=True)
class Meaning:
    """All that one event says of one tenant.

    `agreement` is "" for what concerns all agreements of `subject`, or the account alone. `rank`
    orders types of events within one instant. `before` and `after` are digests of what the sender
    says that the agreement was and is, "" if it does not. `sequence` is the larger the later: the
    start of a period, the version of an object; 0 if the event has none.
    """

    time: Instant
    source: str
    id: str
    clauses: tuple[Clause, ...]
    agreement: str = ""
    subject: str = ""
    rank: int = 0
    before: str = ""
    after: str = ""
    sequence: int = 0


Name: TypeAlias = tuple[str, str]
"""An event's source and id."""


@dataclass(frozen=True, slots=True)
class Branch:
    """An agreement after events in one possible order, and what the last of them said it is."""

    agreement: Agreement
    digest: str = ""


@dataclass(frozen=True, slots=True)
class Course:
    """An agreement after its events, and those among them whose order cannot be told."""

    agreement: Agreement
    unclear: frozenset[Name] = frozenset()


def follow(start: Branch, meanings: Iterable[Meaning], rank: Rank) -> Course:
    """Follow an agreement through its events, whatever the order in which they are given."""
    ordered = sorted(meanings, key=lambda meaning: (meaning.time, meaning.rank))
    ends, unclear = branches(start, ordered, rank)
    if not unclear:
        return Course(next(iter(ends)).agreement)
    clear = [m for m in ordered if (m.source, m.id) not in unclear]
    course = follow(start, clear, rank)
    return Course(course.agreement, course.unclear | set(unclear))


def branches(
    start: Branch, ordered: Iterable[Meaning], rank: Rank
) -> tuple[set[Branch], list[Name]]:
    """Follow all possible orders; name the events whose order still makes a difference."""
    ends, unclear = {start}, list[Name]()
    for _, group in groupby(ordered, key=lambda meaning: (meaning.time, meaning.rank)):
        together = list(group)
        ends = {end for branch in ends for end in _ends(branch, together, rank)}
        if len({branch.agreement for branch in ends}) == 1:
            unclear = []
        elif len(together) > 1:
            unclear += [(meaning.source, meaning.id) for meaning in together]
    return ends, unclear


def _ends(branch: Branch, together: list[Meaning], rank: Rank) -> Iterator[Branch]:
    """Follow one branch through the events of one instant and rank, in every possible order."""
    if len(together) == 1:
        yield _through(branch, together, rank)
        return
    for order in _orders(branch, together):
        yield _through(branch, order, rank)


def _through(branch: Branch, order: Iterable[Meaning], rank: Rank) -> Branch:
    agreement, digest = branch.agreement, branch.digest
    for meaning in order:
        for clause in meaning.clauses:
            agreement = after(agreement, clause, meaning.time, rank)
        digest = meaning.after or digest
    return Branch(agreement, digest)


def _orders(branch: Branch, together: list[Meaning]) -> Sequence[Sequence[Meaning]]:
    """List the possible orders: those that fit best to what the events say of each other."""
    chains = list(_chains(branch.digest, together)) or list(_chains("", together))
    if chains:
        return chains
    numbered = sorted(together, key=lambda meaning: meaning.sequence)
    starts = [meaning.sequence for meaning in numbered]
    if 0 not in starts and len(set(starts)) == len(starts):
        return [numbered]
    if len(together) <= _MOST_ORDERS:
        return list(permutations(together))
    by_content = sorted(together, key=lambda meaning: repr(meaning.clauses))
    return [by_content[at:] + by_content[:at] for at in range(len(by_content))]


def _chains(digest: str, rest: list[Meaning]) -> Iterator[tuple[Meaning, ...]]:
    """Yield the orders in which each event begins with what the one before it ended with.

    None if an event does not say what was before it. A digest of "" fits any beginning.
    """
    if not rest:
        yield ()
        return
    tried: set[tuple[str, str]] = set()
    for index, meaning in enumerate(rest):
        link = (meaning.before, meaning.after)
        if not meaning.before or digest not in ("", meaning.before) or link in tried:
            continue
        tried.add(link)
        others = rest[:index] + rest[index + 1 :]
        for chain in _chains(meaning.after, others):
            yield (meaning, *chain)
