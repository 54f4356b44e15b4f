"""Random histories, written through the store: what is stored, what is replayed and what is
remembered are the same at every revision.
"""

from dataclasses import replace
from itertools import count

import pytest

from authz_service.domain.audit import AuditRecord
from authz_service.domain.catalog import Plan
from authz_service.domain.change import Delta, Fact, Revision
from tests.conformance import ledger
from tests.conformance.store_world import CALL, StoreWorld
from tests.differential.worlds import World, world

SEEDS = range(7_000, 7_004)


def write(to: StoreWorld, made: World, first: int, last: int) -> None:
    """Write the deltas of revisions `first` to `last` as they were drawn."""
    for delta in made.deltas[first - 1 : last]:
        with to.store.transaction(CALL) as tx:
            for change in delta.changes:
                tx.change(change.before, change.after)
            tx.record(AuditRecord("test.changed", "system", (f"revision:{delta.revision}",)))
        assert tx.revision == delta.revision


def stored_facts(in_world: StoreWorld, made: World, revision: Revision) -> list[Fact]:
    """Read all facts of a revision but the versions kept of tiers: no history draws them."""
    with in_world.facts(revision) as facts:
        return [
            *facts.permissions(),
            *facts.roles(),
            *(plan for plan in facts.plans() if not plan.is_kept),
            *facts.tenants(),
            *facts.invitations(),
            *facts.exceptions(),
            *facts.kept(),
            *(g for tenant in made.tenants for g in facts.role_grants(tenant)),
            *(
                membership
                for tenant in made.tenants
                for subject in made.subjects
                for membership in facts.memberships(tenant, subject)
            ),
        ]


def facts_about(in_world: StoreWorld, revision: Revision, tenant: str, subject: str) -> list[Fact]:
    with in_world.facts(revision) as facts:
        about = facts.about(tenant, subject)
        return [fact for fact in about if not isinstance(fact, Plan) or not fact.is_kept]


@pytest.fixture(params=SEEDS)
def made(request: pytest.FixtureRequest) -> World:
    """Draw a history without the revisions that change nothing: the store makes none."""
    drawn = world(request.param)
    changing = (delta.changes for delta in drawn.deltas if delta.changes)
    return replace(drawn, deltas=tuple(map(Delta, count(1), changing)))


@pytest.mark.sweep
def test_index_grown_by_deltas_equals_the_one_read_from_the_database(
    store_world: StoreWorld, made: World
) -> None:
    """Also for a replica that was loaded half way and one that reads the change log alone."""
    half = len(made.deltas) // 2
    write(store_world, made, 1, half)
    late = store_world.another()
    assert ledger.same(late.index, store_world.index)
    write(store_world, made, half + 1, len(made.deltas))
    stored = store_world.stored_index()
    assert ledger.same(store_world.index, stored)
    late.replica.catch_up()
    assert ledger.same(late.index, stored)
    ledger.assert_whole(store_world.database)


@pytest.mark.sweep
def test_facts_of_every_revision_are_those_of_the_history(
    store_world: StoreWorld, made: World
) -> None:
    write(store_world, made, 1, len(made.deltas))
    for revision in range(len(made.deltas) + 1):
        found = stored_facts(store_world, made, revision)
        assert len(found) == len(set(found))
        assert set(found) == set(made.facts_at(revision)), f"{revision=}"


@pytest.mark.sweep
def test_facts_about_one_subject_are_all_that_can_matter_to_it(
    store_world: StoreWorld, made: World
) -> None:
    write(store_world, made, 1, len(made.deltas))
    tenant, subject = made.tenants[0], made.subjects[0]
    for revision in range(len(made.deltas) + 1):
        found = facts_about(store_world, revision, tenant, subject)
        assert len(found) == len(set(found))
        matter = {f for f in made.facts_at(revision) if matters(f, tenant, subject)}
        assert set(found) == matter, f"{revision=}"


def matters(fact: Fact, tenant: str, subject: str) -> bool:
    """Tell whether a fact is of the catalogue, of the tenant, or of the subject there."""
    kind = type(fact).__name__
    if kind == "Invitation":
        return False
    if kind in ("Permission", "Plan"):
        return True
    if kind == "Role":
        return getattr(fact, "tenant", "") in ("", tenant)
    if kind == "Tenant":
        return getattr(fact, "id", "") == tenant
    mine = getattr(fact, "tenant", "") == tenant
    return mine and (kind == "TenantException" or getattr(fact, "subject", "") == subject)
