"""Every remedy of random denials opens the door: its steps, made on the index, allow the question.

The simulation of `engine/remedies.py` is not trusted: each step's changes are made as the change
log would bring them, by `builder.apply`, and the answer is Casbin's as well as the index's.
"""

from collections import Counter
from dataclasses import replace

import pytest

from authz_service.domain.change import Delta
from authz_service.domain.decision import DecisionReason, Question
from authz_service.engine import decide, remedies
from authz_service.engine.builder import apply, build
from authz_service.engine.index import Index
from authz_service.engine.remedies import Remedy
from authz_service.engine.remedy_steps import AddMember, GrantRole, SetTier
from tests.differential.worlds import Round, rounds, world

SEEDS = range(24)
ALLOWED = DecisionReason.ALLOWED


def opened(drawn: Round, question: Question, remedy: Remedy) -> DecisionReason:
    """Make the steps of a remedy on the facts themselves, and ask the question again."""
    index, revision = build(drawn.facts, drawn.revision), drawn.revision
    for step in remedy.steps:
        revision += 1
        index = apply(index, Delta(revision, tuple(step.changes(index, drawn.at)), drawn.at))
    return decide.reason(index, question, drawn.at)


def denials(seed: int) -> list[tuple[Round, Index, Question, DecisionReason]]:
    found = []
    for drawn in rounds(world(seed), count=8, questions=6):
        index = build(drawn.facts, drawn.revision)
        for question in drawn.questions:
            why = decide.reason(index, question, drawn.at)
            if why is not ALLOWED:
                found.append((drawn, index, question, why))
    return found


@pytest.mark.parametrize("seed", SEEDS)
def test_every_remedy_of_a_random_denial_opens_the_door(seed: int) -> None:
    for drawn, index, question, _ in denials(seed):
        for remedy in remedies.remedies(index, question, drawn.at):
            assert opened(drawn, question, remedy) is ALLOWED, (question, remedy)


@pytest.mark.parametrize("seed", SEEDS)
def test_denials_have_a_remedy_unless_nobody_may_make_one(seed: int) -> None:
    for drawn, index, question, why in denials(seed):
        permission = index.permissions.get(question.permission)
        if permission is None or permission.internal or permission.fact.deprecated:
            continue  # no role of a tenant's own may hold it, so there may be no way
        if question.subject.startswith("staff:") or question.tenant == "system":
            continue
        assert remedies.remedies(index, question, drawn.at), (question, why)


def test_remedies_are_ordered_by_how_little_else_they_give() -> None:
    for drawn, index, question, _ in denials(3):
        listed = [len(r.gives) for r in remedies.remedies(index, question, drawn.at)]
        assert listed == sorted(listed)


def test_denials_of_every_reason_are_drawn() -> None:
    reasons = Counter(why for seed in SEEDS for *_, why in denials(seed))
    assert set(reasons) == set(DecisionReason) - {ALLOWED}


@pytest.mark.parametrize("kind", [GrantRole, SetTier, AddMember])
def test_remedy_that_lacks_a_step_is_noticed(kind: type) -> None:
    shut = 0
    for seed in SEEDS:
        for drawn, index, question, _ in denials(seed):
            for remedy in remedies.remedies(index, question, drawn.at):
                rest = tuple(step for step in remedy.steps if not isinstance(step, kind))
                if rest != remedy.steps:
                    shut += opened(drawn, question, replace(remedy, steps=rest)) is not ALLOWED
    assert shut
