"""Whoever takes something away never opens something: a fact that is gone allows nothing more.

But a denial, and a replacement of all that a tenant has bought, which is one too.
"""

from collections import Counter
from collections.abc import Iterator

import pytest

from authz_service.domain.change import Delta, Fact, FactChange
from authz_service.domain.decision import Question
from authz_service.domain.exception import ExceptionKind, TenantException
from authz_service.engine.builder import apply
from authz_service.engine.decide import decide
from authz_service.engine.index import Index
from tests.differential.compare import CHUNKS, indexes, seeds
from tests.differential.worlds import Round, rounds, world


def denies(fact: Fact) -> bool:
    return isinstance(fact, TenantException) and fact.kind is not ExceptionKind.GRANT


def without(index: Index, fact: Fact) -> Index:
    return apply(index, Delta(index.revision + 1, (FactChange(fact, None),)))


def differences(index: Index, drawn: Round, fact: Fact) -> Iterator[tuple[Question, bool]]:
    """Give the questions that are answered otherwise once the fact is gone, and how then."""
    after = without(index, fact)
    for asked in drawn.questions:
        was, now = (decide(each, asked, drawn.at).allowed for each in (index, after))
        if was != now:
            yield asked, now


@pytest.mark.sweep
@pytest.mark.parametrize("chunk", range(CHUNKS))
def test_removing_a_fact_never_adds_access(chunk: int) -> None:
    lost: Counter[str] = Counter()
    for seed in seeds(chunk):
        made = world(seed)
        grown = indexes(made)
        for drawn in rounds(made, count=2, questions=20):
            for fact in drawn.facts:
                if denies(fact):
                    continue
                for asked, allowed in differences(grown[drawn.revision], drawn, fact):
                    assert not allowed, f"{seed=} {drawn.revision=} {drawn.at=} {fact} {asked}"
                    lost[type(fact).__name__] += 1
    wanted = {"Permission", "Role", "Plan", "Tenant", "Membership", "RoleGrant", "TenantException"}
    assert wanted - lost.keys() == set(), "no question was about such a fact"


def test_removing_a_denial_adds_what_it_denied() -> None:
    """Without this, the test above could leave out what it must not."""
    gained = 0
    for seed in seeds(0):
        made = world(seed)
        grown = indexes(made)
        for drawn in rounds(made):
            for fact in filter(denies, drawn.facts):
                gained += sum(now for _, now in differences(grown[drawn.revision], drawn, fact))
    assert gained > 10
