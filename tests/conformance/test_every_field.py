"""Every field of every fact goes through store, index and store again, and is unchanged.

Each field is also tried alone, beside those that a fact cannot do without: what holds a fact in
fewer bits where most of its fields are as by default must not lose the one that is not.
"""

from collections.abc import Callable, Iterator
from dataclasses import MISSING, fields, replace
from typing import Any, Final, TypeVar

import pytest

from authz_service.domain.catalog import Permission, Plan, Role
from authz_service.domain.change import KEPT, Fact, ScheduledChangeset
from authz_service.domain.exception import TenantException
from authz_service.domain.invitation import Invitation
from authz_service.domain.membership import Membership
from authz_service.domain.tenant import Tenant
from authz_service.engine.index import Index
from tests.conformance.every_fact import ALL, LIVES, MEMBER, TENANT, TEXT
from tests.conformance.store_world import StoreWorld

F = TypeVar("F", bound=Fact)

FROM_INDEX: Final[dict[type, Callable[[Index, Any], Fact | None]]] = {
    Permission: lambda index, fact: index.permissions[fact.id].fact,
    Role: lambda index, fact: entry.fact if (entry := index.role(fact.id)) else None,
    Plan: lambda index, fact: index.plans.get(fact.id),
    Tenant: lambda index, fact: index.tenant(fact.id),
    Membership: lambda index, fact: index.member(fact.tenant, fact.subject),
    Invitation: lambda index, fact: index.tenants[fact.tenant].invitations.get(fact.id),
    TenantException: lambda index, fact: next(
        (e for e in index.tenants[fact.tenant].exceptions if e.id == fact.id), None
    ),
    **dict.fromkeys(KEPT, lambda index, fact: index.kept(type(fact)).get(fact.key)),
    ScheduledChangeset: lambda index, fact: index.scheduled.get(fact.id),
}
"""Where the index holds a whole fact. Of a role grant it holds what decides alone: use cases read
grants from the store."""

NOT_OF_THESE: Final = {"revision", "version"}
"""A revision is set by the store; a plan with a version is one that is kept, in no index."""
WHOLE: Final = {name: life.first for name, life in LIVES.items() if type(life.first) in FROM_INDEX}


def without_default(fact: Fact) -> set[str]:
    return {f.name for f in fields(fact) if f.default is MISSING and f.default_factory is MISSING}


def by_default(fact: F) -> F:
    """Make the fact with nothing but what it cannot do without."""
    return type(fact)(**{name: getattr(fact, name) for name in without_default(fact)})


def filled(fact: F) -> F:
    """Set each text that is as by default: a new field needs no line here."""
    texts: dict[str, Any] = {
        field.name: TEXT
        for field in fields(fact)
        if field.type is str and getattr(fact, field.name) == field.default
    }
    return replace(fact, **texts)


def alone() -> Iterator[tuple[str, Membership]]:
    """Iterate over members with one field that is not as by default."""
    member = filled(MEMBER)
    for field in fields(member):
        if field.name not in without_default(member):
            yield (
                field.name,
                replace(by_default(member), **{field.name: getattr(member, field.name)}),
            )


ALONE: Final = dict(alone())


@pytest.mark.parametrize("fact", WHOLE.values(), ids=WHOLE)
def test_facts_under_test_have_every_field_set(fact: Fact) -> None:
    """A new field of any other type than text takes a value in `every_fact` first."""
    bare = by_default(fact)
    facts = [life.first for life in LIVES.values()] + [life.second for life in LIVES.values()]
    # Of members each text is filled in and tried alone, below.
    filled_in = [filled(fact) if isinstance(fact, Membership) else fact for fact in facts]
    same_kind = [other for other in filled_in if type(other) is type(fact)]
    for field in fields(fact):
        if field.name not in without_default(fact) | NOT_OF_THESE:
            value = getattr(bare, field.name)
            assert any(getattr(other, field.name) != value for other in same_kind), field.name


@pytest.mark.parametrize("fact", WHOLE.values(), ids=WHOLE)
def test_a_fact_of_the_index_is_that_of_the_store(store_world: StoreWorld, fact: Fact) -> None:
    store_world.put(*ALL)
    for index in (store_world.index, store_world.stored_index()):
        assert FROM_INDEX[type(fact)](index, fact) == fact


@pytest.mark.parametrize("name", ALONE)
def test_each_field_of_a_member_is_held_alone(store_world: StoreWorld, name: str) -> None:
    member = ALONE[name]
    store_world.put(TENANT, member)
    for index in (store_world.index, store_world.stored_index()):
        assert index.member(member.tenant, member.subject) == member, name
    with store_world.facts() as facts:
        assert facts.memberships(member.tenant, member.subject) == [member]


@pytest.mark.parametrize("name", ALONE)
def test_a_member_of_the_index_can_be_written_again(store_world: StoreWorld, name: str) -> None:
    """What is read from the index, changed in one field and written loses none of the others."""
    member = ALONE[name]
    store_world.put(TENANT, member)
    before = store_world.stored_index().member(member.tenant, member.subject)
    assert before is not None
    changed = replace(before, owner=not before.owner)
    store_world.replace(before, changed)
    with store_world.facts() as facts:
        assert facts.memberships(member.tenant, member.subject) == [
            replace(member, owner=not member.owner)
        ], name
