"""Decisions at an old revision are those that were given then, recorded as they were made.

Random histories are written through the store; after each revision questions are asked of the
replica as checks ask them. When the history is over, another process is asked the same again, as
known at each of those revisions.
"""

from dataclasses import dataclass, replace
from itertools import count
from pathlib import Path
from random import Random
from typing import Final

import pytest

from authz_service.domain.change import Delta, Revision
from authz_service.domain.decision import DecisionReason, Question
from authz_service.domain.window import Instant
from authz_service.engine import lists
from authz_service.engine.decide import decide
from authz_service.engine.entitlements import Entitlements, entitlements
from authz_service.engine.index import Index
from authz_service.errors import ErrorReason, InvalidArgument
from authz_service.usecases.decisions.explain import Explainer
from authz_service.usecases.decisions.history import PointInTime
from authz_service.usecases.kernel.point_in_time import Moment
from tests.conformance.store_world import StoreWorld
from tests.conformance.test_histories import write
from tests.differential.worlds import NEXT_TO_INSTANTS, World, question, world

MODEL: Final = (Path(__file__).parents[2] / "policies" / "model.conf").read_text()
SEEDS: Final = range(7_100, 7_102)
QUESTIONS: Final = 8


@dataclass(frozen=True, slots=True)
class Given:
    """What was answered at a revision, as it was in force."""

    revision: Revision
    at: Instant
    asked: Question
    reason: DecisionReason
    permissions: tuple[str, ...]
    subjects: tuple[str, ...]
    bought: Entitlements | None


def answered(index: Index, asked: Question, at: Instant) -> Given:
    tenant = index.tenants.get(asked.tenant)
    scopes, permission = asked.scopes, asked.permission
    return Given(
        index.revision,
        at,
        asked,
        decide(index, asked, at).reason,
        tuple(lists.permissions_of(index, asked.tenant, asked.subject, scopes, at)),
        tuple(lists.subjects_with(index, asked.tenant, permission, scopes, at)),
        entitlements(index, tenant, at) if tenant is not None else None,
    )


def recorded(in_world: StoreWorld, made: World) -> list[Given]:
    """Write a history, and ask after each of its revisions what can be asked."""
    random = Random(f"recorded {made.seed}")
    found = []
    for revision in range(1, len(made.deltas) + 1):
        write(in_world, made, revision, revision)
        facts = made.facts_at(revision)
        for _ in range(QUESTIONS):
            asked, at = question(random, made, facts), random.choice(NEXT_TO_INSTANTS)
            found.append(answered(in_world.index, asked, at))
    return found


@pytest.fixture(params=SEEDS)
def made(request: pytest.FixtureRequest) -> World:
    """Draw a history without the revisions that change nothing: the store makes none."""
    drawn = world(request.param)
    changing = (delta.changes for delta in drawn.deltas if delta.changes)
    return replace(drawn, deltas=tuple(map(Delta, count(1), changing)))


@pytest.mark.sweep
def test_what_was_answered_then_is_answered_again_as_known_then(
    store_world: StoreWorld, made: World
) -> None:
    given = recorded(store_world, made)
    assert {each.reason is DecisionReason.ALLOWED for each in given} == {True, False}
    later = store_world.another()
    looking_back = PointInTime(later.database)
    for each in given:
        asked, moment = each.asked, Moment(each.at, each.revision)
        now = later.index, later.clock.now
        whole = looking_back.seen(now, moment, asked.tenant, None)
        assert answered(*_swapped(whole, asked)) == each
        index, at = looking_back.seen(now, moment, asked.tenant, asked.subject)
        about = answered(index, asked, at)
        assert replace(about, subjects=each.subjects) == each


def _swapped(seen: tuple[Index, Instant], asked: Question) -> tuple[Index, Question, Instant]:
    index, at = seen
    return index, asked, at


@pytest.mark.sweep
def test_explaining_what_was_answered_then_gives_the_same_and_casbin_agrees(
    store_world: StoreWorld, made: World
) -> None:
    given = recorded(store_world, made)
    later = store_world.another()
    explainer = Explainer(later.database, MODEL, later.clock)
    for each in given[::4]:
        told = explainer.explain(later.index, each.asked, Moment(each.at, each.revision))
        assert told.explanation.decision.reason is each.reason
        assert (told.explanation.decision.revision, told.at) == (each.revision, each.at)
    assert explainer.disagreements == 0


def test_another_instant_alone_is_answered_from_memory(
    store_world: StoreWorld, made: World
) -> None:
    """The newest facts need no database: the very index in force answers."""
    write(store_world, made, 1, len(made.deltas))
    looking_back, index = PointInTime(store_world.database), store_world.index
    store_world.database.close()
    seen = looking_back.seen((index, 7), Moment(1_010), made.tenants[0], None)
    assert seen == (index, 1_010)
    assert looking_back.seen((index, 7), Moment(None, index.revision), "acme", None) == (index, 7)


@pytest.mark.parametrize(
    ("moment", "field"),
    [
        (Moment(None, 99), "as_known_at"),
        (Moment(None, -1), "as_known_at"),
        (Moment(-1), "at_time"),
    ],
)
def test_a_moment_that_is_not_there_is_refused(
    store_world: StoreWorld, moment: Moment, field: str
) -> None:
    with pytest.raises(InvalidArgument) as refused:
        PointInTime(store_world.database).seen((store_world.index, 7), moment, "acme", None)
    assert (refused.value.reason, refused.value.field) == (ErrorReason.INVALID_FIELD, field)
