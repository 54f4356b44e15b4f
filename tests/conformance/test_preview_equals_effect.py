"""What a preview says of random changesets on random worlds is what applying them does."""

from dataclasses import replace
from pathlib import Path
from shutil import copy
from typing import NamedTuple

import pytest

from authz_service.domain.catalog import Permission, Plan, Role
from authz_service.domain.change import Fact
from authz_service.domain.changeset import Changeset
from authz_service.domain.decision import Question
from authz_service.domain.grant import RoleGrant
from authz_service.domain.identifiers import enclosing
from authz_service.engine.decide import decide
from authz_service.engine.index import Index
from authz_service.errors import AuthzError, ErrorReason
from authz_service.usecases.changesets.preview_apply import (
    ChangesetEffect,
    ListChangesetEffects,
    list_changeset_effects,
)
from authz_service.usecases.kernel.execution import View
from authz_service.usecases.kernel.paging import PageRequest
from tests.conformance.changing_world import OPERATORS, applied, preview
from tests.conformance.random_changes import NOW, Drawing
from tests.conformance.store_world import StoreWorld, opened
from tests.differential.making import PERMISSIONS, SCOPES
from tests.differential.test_index_grows import loading_order
from tests.differential.worlds import World, world

WORLDS = 60
SETS = 6
"""Change sets on each world, one after the other."""


class Answer(NamedTuple):
    tenant: str
    subject: str
    permission: str
    scope: str


def answers(index: Index, made: World) -> set[Answer]:
    """Ask everything of everybody, one question at a time."""
    return {
        Answer(tenant, subject, permission, scope)
        for tenant in made.tenants
        for subject in made.subjects
        for permission in PERMISSIONS
        for scope in ("", *SCOPES)
        if decide(index, Question(tenant, subject, permission, enclosing(scope)), NOW).allowed
    }


def named(index: Index, tenant: str, subject: str) -> set[str]:
    entry = index.tenants.get(tenant)
    scopes = {grant.scope for grant in index.grants(tenant, subject)}
    return scopes | {e.scope for e in (entry.exceptions if entry else ())}


def everyone_affected(made: StoreWorld, changes: Changeset) -> list[ChangesetEffect]:
    """Turn all pages, each of seven."""
    view = View(made.index, made.database, NOW)
    found: list[ChangesetEffect] = []
    token = ""
    while True:
        page = list_changeset_effects.body(
            view, ListChangesetEffects(changeset=changes, page=PageRequest(7, token))
        )
        found += page.items
        token = page.next_token
        if not token:
            assert page.total_size == len(found)
            return found


def drawn(made: World) -> tuple[Fact, ...]:
    """Give the facts of a world at its end, and declare what it has forgotten to declare."""
    facts = made.facts_at(len(made.deltas))
    declared = {fact.id for fact in facts if isinstance(fact, Permission)}
    return (*facts, *(Permission(name) for name in PERMISSIONS if name not in declared))


def stored(fact: Fact, roles: frozenset[str]) -> Fact:
    """Let what was drawn be what the service could have stored: ids, and assignable roles."""
    match fact:
        case RoleGrant():
            return replace(fact, id=f"g{abs(hash(fact)):x}"[:20])
        case Plan():
            return replace(fact, assignable_roles=roles)
    return fact


@pytest.mark.sweep
@pytest.mark.parametrize("chunk", range(4))
def test_preview_of_a_random_change_set_equals_its_effect(
    chunk: int, migrated_sqlite: Path, tmp_path: Path
) -> None:
    done = refused = 0
    for seed in range(chunk, WORLDS, 4):
        made = world(seed)
        facts = drawn(made)
        roles = frozenset(f.id for f in facts if isinstance(f, Role) and not f.tenant)
        file = copy(migrated_sqlite, tmp_path / f"{seed}.db")
        with opened(f"sqlite:///{file}") as opened_world:
            opened_world.clock.now = NOW
            opened_world.put(
                *OPERATORS, *sorted((stored(f, roles) for f in facts), key=loading_order)
            )
            drawing = Drawing(made, facts)
            for _ in range(SETS):
                if check(opened_world, made, drawing.change_set(), f"{seed=}"):
                    done += 1
                else:
                    refused += 1
    assert done >= 15, (done, refused)


def check(opened_world: StoreWorld, made: World, changes: Changeset, place: str) -> bool:
    """Preview a set and apply it; tell whether it could be made."""
    before = opened_world.index
    try:
        plan = preview(opened_world, *changes.commands, sample=1000)
        affected = everyone_affected(opened_world, changes)
    except AuthzError:
        return False
    if any(decision.blocking for decision in plan.impacts):
        with pytest.raises(AuthzError) as raised:
            applied(opened_world, plan.fingerprint, *changes.commands)
        assert raised.value.reason is ErrorReason.CHANGESET_BLOCKED, (place, changes)
        assert opened_world.index is before
        return False
    objects = applied(opened_world, plan.fingerprint, *changes.commands).objects
    assert [(o.kind, o.tenant, o.fields) for o in objects] == [
        (o.kind, o.tenant, o.fields) for o in plan.objects
    ], (place, changes)
    compare(before, opened_world.index, made, affected, (place, changes))
    return True


def compare(
    before: Index, after: Index, made: World, affected: list[ChangesetEffect], place: object
) -> None:
    """Hold what was said of each subject against the answers to every question."""
    old, new = answers(before, made), answers(after, made)
    said = {(each.tenant, each.subject): each.shift for each in affected if each.subject}
    changed = {(answer.tenant, answer.subject) for answer in old ^ new}
    assert said.keys() == changed, place
    for tenant, subject in changed:
        scopes = named(before, tenant, subject) | named(after, tenant, subject) | {""}
        for told, really in (
            (said[tenant, subject].gained, new - old),
            (said[tenant, subject].lost, old - new),
        ):
            mine = {a for a in really if (a.tenant, a.subject) == (tenant, subject)}
            exact = {(a.permission, a.scope) for a in mine if a.scope in scopes}
            at_named = {(reach.permission, reach.scope) for reach in told}
            # A scope that a denial for somebody else names is told of where it lies.
            assert at_named <= exact, place
            assert {p for p, _ in at_named} == {a.permission for a in mine}, place
