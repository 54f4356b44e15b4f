"""The effect of a change is the difference between all answers before and after, each asked."""

from collections.abc import Iterator

import pytest

from authz_service.domain.decision import Question
from authz_service.domain.exception import EVERYONE
from authz_service.domain.identifiers import enclosing
from authz_service.domain.window import Instant
from authz_service.engine.decide import decide
from authz_service.engine.effect import Reach, effect
from authz_service.engine.entitlements import entitlements
from authz_service.engine.index import Index
from tests.differential.compare import CHUNKS, indexes, seeds
from tests.differential.making import INSTANTS, PERMISSIONS, SCOPES
from tests.differential.worlds import World, world

ASKED = (INSTANTS[0], INSTANTS[1] - 1, INSTANTS[2])
"""The instants at which effects are compared: on an edge and beside one."""


def allowed(index: Index, tenant: str, subject: str, at: Instant) -> set[Reach]:
    """Ask every question about a subject, one by one."""
    return {
        Reach(permission, scope)
        for permission in PERMISSIONS
        for scope in ("", *SCOPES)
        if decide(index, Question(tenant, subject, permission, enclosing(scope)), at).allowed
    }


def named_scopes(index: Index, tenant: str, subject: str) -> set[str]:
    entry = index.tenants.get(tenant)
    scopes = {grant.scope for grant in index.grants(tenant, subject)}
    denials = entry.exceptions if entry else ()
    return scopes | {e.scope for e in denials if e.subject in (EVERYONE, subject)}


def expected(
    before: Index, after: Index, made: World, at: Instant
) -> Iterator[tuple[str, str, set[Reach], set[Reach]]]:
    for tenant in made.tenants:
        for subject in made.subjects:
            old, new = allowed(before, tenant, subject, at), allowed(after, tenant, subject, at)
            if old != new:
                yield tenant, subject, new - old, old - new


def covered(reaches: set[Reach], said: set[Reach], named: set[str]) -> bool:
    """Tell whether what is said of the named scopes says what is so in every scope."""
    for scope in ("", *SCOPES):
        nearest = next((s for s in reversed(enclosing(scope)) if s in named), "")
        here = {r.permission for r in reaches if r.scope == scope}
        if here != {r.permission for r in said if r.scope == nearest}:
            return False
    return True


def bought(index: Index, tenant: str, at: Instant) -> tuple[set[str], dict[str, str]]:
    entry = index.tenants.get(tenant)
    if entry is None:
        return set(), {}
    found = entitlements(index, entry, at)
    limits = {
        each.limit.name: f"{each.limit.value if each.limit.value is not None else 'unlimited'}"
        for each in found.limits
    }
    return {each.permission for each in found.permissions}, limits


@pytest.mark.sweep
@pytest.mark.parametrize("chunk", range(CHUNKS))
def test_effect_on_subjects_is_what_every_question_asked_one_by_one_says(chunk: int) -> None:
    compared = 0
    for seed in seeds(chunk):
        made = world(seed)
        grown = indexes(made)
        for number, at in zip((3, len(grown) // 2, len(grown) - 2), ASKED, strict=True):
            for before, after in ((grown[number], grown[-1]), (grown[-1], grown[number])):
                said = {
                    (each.tenant, subject): shift
                    for each in effect(before, after, at)
                    for shift, subjects in each.subjects.items()
                    for subject in subjects
                }
                wanted = list(expected(before, after, made, at))
                assert said.keys() == {(t, s) for t, s, _, _ in wanted}, f"{seed=} {number=} {at=}"
                for tenant, subject, gained, lost in wanted:
                    named = named_scopes(before, tenant, subject)
                    named |= named_scopes(after, tenant, subject)
                    shift = said[tenant, subject]
                    place = f"{seed=} {number=} {at=} {tenant} {subject}"
                    assert covered(gained, set(shift.gained), named), place
                    assert covered(lost, set(shift.lost), named), place
                    compared += 1
    assert compared > 200


@pytest.mark.sweep
@pytest.mark.parametrize("chunk", range(CHUNKS))
def test_effect_on_tenants_is_the_difference_of_their_entitlements(chunk: int) -> None:
    compared = 0
    for seed in seeds(chunk):
        made = world(seed)
        grown = indexes(made)
        before, after, at = grown[len(grown) // 2], grown[-1], ASKED[seed % 3]
        said = {each.tenant: each for each in effect(before, after, at)}
        for tenant in made.tenants:
            (old, old_limits), (new, new_limits) = (
                bought(index, tenant, at) for index in (before, after)
            )
            found = said.get(tenant)
            assert set(found.gained if found else ()) == new - old, f"{seed=} {tenant}"
            assert set(found.lost if found else ()) == old - new, f"{seed=} {tenant}"
            limits = {v.name: (v.before, v.after) for v in (found.limits if found else ())}
            for name in old_limits.keys() | new_limits.keys():
                amounts = [x.partition(" ")[0] for x in limits.get(name, ("", ""))]
                if old_limits.get(name) == new_limits.get(name):
                    assert amounts[0] == amounts[1], f"{seed=} {tenant} {name}"
                else:
                    assert amounts == [old_limits.get(name, ""), new_limits.get(name, "")]
                    compared += 1
    assert compared > 5


def test_indexes_that_answer_alike_have_no_effect() -> None:
    grown = indexes(world(1))
    assert list(effect(grown[-1], grown[-1], INSTANTS[0])) == []
