"""A definition knows the revision that changed any part of it last, wherever it is read."""

from dataclasses import replace

import pytest
from sqlalchemy import update

from authz_service.domain.catalog import Feature, Limit, Permission, Plan, Role
from authz_service.domain.tenant import Tenant
from authz_service.engine.index import Index
from authz_service.store import schema
from tests.conformance import ledger
from tests.conformance.store_world import StoreWorld

READ = Permission("doc:read")
WRITE = Permission("doc:write")
EDITOR = Role("editor", frozenset({READ.id, WRITE.id}), frozenset({"viewer"}), "Edits")
OWN = Role("acme/clerk", frozenset({READ.id}))
PRO = Plan(
    "tier/pro",
    permissions=frozenset({READ.id, WRITE.id}),
    features=(Feature("sso", "true"),),
    limits=(Limit("seats", 5, "seat"),),
    assignable_roles=frozenset({"editor"}),
)
AUDIT = Plan("addon/audit", permissions=frozenset({WRITE.id}))


def revisions(index: Index) -> dict[str, int]:
    """Read the revision of every definition."""
    facts: list[Permission | Role | Plan] = [
        *(entry.fact for entry in index.permissions.values()),
        *(entry.fact for entry in index.roles.values()),
        *(plan for plan in index.plans.values() if not plan.is_kept),
        *(own.fact for _, tenant in index.tenants.items() for own in tenant.own_roles.values()),
    ]
    return {fact.id: fact.revision for fact in facts}


def told(world: StoreWorld) -> dict[str, int]:
    """Read them, and assert that memory, snapshot and change log tell the same."""
    grown = revisions(world.index)
    assert revisions(world.stored_index()) == grown
    assert revisions(ledger.replayed(world.database)) == grown
    return grown


@pytest.fixture
def defined(store_world: StoreWorld) -> StoreWorld:
    """Make each definition in a revision of its own, from 1 to 7."""
    for fact in (READ, WRITE, EDITOR, PRO, AUDIT, Tenant("acme"), OWN):
        store_world.put(fact)
    return store_world


def test_each_begins_with_the_revision_that_made_it(defined: StoreWorld) -> None:
    ids = (READ.id, WRITE.id, EDITOR.id, PRO.id, AUDIT.id)
    assert told(defined) == dict(zip(ids, range(1, 6), strict=True)) | {OWN.id: 7}


@pytest.mark.sweep
@pytest.mark.parametrize(
    ("before", "after"),
    [
        (READ, replace(READ, deprecated=True, replaced_by=WRITE.id)),
        (EDITOR, replace(EDITOR, permissions=frozenset({READ.id}))),
        (EDITOR, replace(EDITOR, includes=frozenset())),
        (EDITOR, replace(EDITOR, admin=True)),
        (OWN, replace(OWN, permissions=frozenset())),
        (PRO, replace(PRO, features=())),
        (PRO, replace(PRO, limits=(Limit("seats", None, "seat"),))),
        (PRO, replace(PRO, assignable_roles=frozenset())),
        (AUDIT, replace(AUDIT, permissions=frozenset())),
        (AUDIT, replace(AUDIT, description="For auditors")),
    ],
)
def test_a_change_of_any_part_moves_it_and_nothing_else(
    defined: StoreWorld,
    before: Permission | Role | Plan,
    after: Permission | Role | Plan,
) -> None:
    known = told(defined)
    made = defined.replace(before, after)
    assert told(defined) == known | {before.id: made}
    with defined.facts(made - 1) as facts:
        found = facts.permissions(), facts.roles(), facts.plans()
    then: list[Permission | Role | Plan] = [fact for facts_ in found for fact in facts_]
    assert {fact.id: fact.revision for fact in then} == known


def test_other_changes_do_not_move_it(defined: StoreWorld) -> None:
    known = told(defined)
    defined.put(Permission("doc:print"))
    defined.put(Tenant("other"))
    assert told(defined) == known | {"doc:print": 8}


def test_one_that_is_made_again_is_no_older_than_that(defined: StoreWorld) -> None:
    defined.end(EDITOR)
    assert EDITOR.id not in told(defined)
    made = defined.put(EDITOR)
    assert told(defined)[EDITOR.id] == made


def test_change_log_of_a_version_that_knew_no_revisions_is_read(defined: StoreWorld) -> None:
    known = told(defined)
    log = schema.change_log
    with defined.database.write() as connection:
        old = '[["Role", null, {"id": "editor", "permissions": ["doc:read", "doc:write"], '
        old += '"includes": ["viewer"], "description": "Edits"}]]'
        connection.execute(update(log).where(log.c.revision == 3).values(delta=old))
    assert revisions(ledger.replayed(defined.database)) == known
