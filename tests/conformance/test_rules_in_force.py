"""Exported rules are those that the facts of their revision stand for at their instant."""

from dataclasses import replace
from itertools import count

import pytest

from authz_service.domain.change import Delta
from authz_service.reference.in_force import rules_in_force as by_facts
from authz_service.store.rules import StoredRule, rules_in_force
from tests.conformance.store_world import StoreWorld
from tests.conformance.test_histories import stored_facts, write
from tests.differential.making import INSTANTS
from tests.differential.worlds import NEXT_TO_INSTANTS, World, world

SEEDS = range(7_020, 7_023)


@pytest.fixture(params=SEEDS)
def made(request: pytest.FixtureRequest) -> World:
    """Draw a history without the revisions that change nothing: the store makes none."""
    drawn = world(request.param)
    changing = (delta.changes for delta in drawn.deltas if delta.changes)
    return replace(drawn, deltas=tuple(map(Delta, count(1), changing)))


def every_page(
    of: StoreWorld, revision: int, at: int, tenant: str = "", size: int = 7
) -> list[StoredRule]:
    """Read page after page, small ones, until one is short."""
    found: list[StoredRule] = []
    with of.database.read() as connection:
        while True:
            last = found[-1].id if found else 0
            page = rules_in_force(connection, revision, at, tenant, last, size)
            found += page
            if len(page) < size:
                return found


@pytest.mark.sweep
def test_rules_of_every_moment_are_those_of_the_facts(store_world: StoreWorld, made: World) -> None:
    write(store_world, made, 1, len(made.deltas))
    shown = 0
    for revision in (*range(0, len(made.deltas), 3), len(made.deltas)):
        with store_world.facts(revision) as stored:
            kept = [plan for plan in stored.plans() if plan.is_kept]
        facts = [*stored_facts(store_world, made, revision), *kept]
        for at in NEXT_TO_INSTANTS:
            wanted = {(rule.ptype, rule.values) for rule in by_facts(facts, at)}
            found = every_page(store_world, revision, at)
            assert {(rule.ptype, rule.values) for rule in found} == wanted
            assert [rule.id for rule in found] == sorted(rule.id for rule in found)
            shown += len(found)
    assert shown


def test_rules_of_one_tenant_leave_the_others_out(store_world: StoreWorld, made: World) -> None:
    write(store_world, made, 1, len(made.deltas))
    revision, at = len(made.deltas), INSTANTS[1]
    whole = every_page(store_world, revision, at)
    shared = set(whole)
    for tenant in made.tenants:
        shared &= set(every_page(store_world, revision, at, tenant))
    apart = [set(every_page(store_world, revision, at, tenant)) - shared for tenant in made.tenants]
    assert shared.union(*apart) == set(whole)
    assert sum(map(len, apart)) + len(shared) == len(whole)
