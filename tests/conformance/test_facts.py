"""Every kind of fact is read back as it was written, now and at any revision before."""

from dataclasses import replace

import pytest
from sqlalchemy import Table, func, select

from authz_service.domain.audit import AuditRecord
from authz_service.domain.catalog import Limit, Permission, Plan, Role
from authz_service.domain.change import Fact
from authz_service.domain.exception import ExceptionKind, TenantException
from authz_service.domain.grant import RoleGrant
from authz_service.domain.key import ApiKey
from authz_service.domain.membership import Membership
from authz_service.domain.tenant import StatePeriod, SubscriptionItem, Tenant, TenantState
from authz_service.domain.window import FOREVER, LATEST, Window
from authz_service.errors import Internal
from authz_service.store import schema
from tests.conformance import every_fact, ledger
from tests.conformance.every_fact import ALL, LIVES, all_facts
from tests.conformance.store_world import CALL, StoreWorld

EDGES = (
    Window(0, 1),
    Window(LATEST - 1, LATEST),
    Window(FOREVER - 1, FOREVER),
    Window(0, FOREVER),
)


def read_back(world: StoreWorld, revision: int | None = None) -> list[Fact]:
    with world.facts(revision) as facts:
        return all_facts(facts)


def rows_opened(world: StoreWorld, table: Table, revision: int) -> int:
    query = select(func.count()).where(table.c.opened_revision == revision)
    with world.database.read() as connection:
        return int(connection.execute(query).scalar_one())


@pytest.mark.parametrize("kind", LIVES)
def test_a_fact_is_read_back_replaced_and_ended(store_world: StoreWorld, kind: str) -> None:
    first, second = LIVES[kind]
    others = [fact for fact in ALL if fact != first]
    store_world.put(*ALL)
    assert set(read_back(store_world)) == {*others, first}
    store_world.replace(first, second)
    assert set(read_back(store_world)) == {*others, second}
    assert ledger.same(store_world.index, store_world.stored_index())
    if kind not in ("tenant", "membership"):  # those end together with all that is about them
        store_world.end(second)
        assert set(read_back(store_world)) == set(others)
        assert ledger.same(store_world.index, store_world.stored_index())


def test_everything_can_end(store_world: StoreWorld) -> None:
    store_world.put(*ALL)
    store_world.end(*reversed(ALL))
    assert read_back(store_world) == []
    ledger.assert_whole(store_world.database)


def test_a_fact_that_ended_can_be_made_again(store_world: StoreWorld) -> None:
    store_world.put(*ALL)
    store_world.end(*reversed(ALL))
    store_world.put(*ALL)
    assert set(read_back(store_world)) == set(ALL)
    ledger.assert_whole(store_world.database)


def test_facts_at_an_earlier_revision_read_as_they_were(store_world: StoreWorld) -> None:
    made = store_world.put(*ALL)
    replaced = max(store_world.replace(*life) for life in LIVES.values())
    ended = store_world.end(*(life.second for life in reversed(LIVES.values())))
    assert read_back(store_world, made - 1) == read_back(store_world, ended) == []
    assert set(read_back(store_world, made)) == set(ALL)
    assert set(read_back(store_world, replaced)) == {life.second for life in LIVES.values()}


def test_ending_a_fact_keeps_its_rows_and_notes_the_revision(store_world: StoreWorld) -> None:
    made = store_world.put(*ALL)
    ended = store_world.end(*reversed(ALL))
    with store_world.database.read() as connection:
        for table in schema.FACT_TABLES:
            query = select(table.c.opened_revision, table.c.closed_revision).distinct()
            assert connection.execute(query).all() == [(made, ended)], table.name


def test_replacing_a_fact_writes_only_the_difference(store_world: StoreWorld) -> None:
    wide = Plan("addon/wide", permissions=frozenset(f"doc:p{n}" for n in range(50)))
    store_world.put(wide)
    wider = replace(wide, permissions=wide.permissions - {"doc:p0"} | {"doc:q1", "doc:q2"})
    revision = store_world.replace(wide, wider)
    assert rows_opened(store_world, schema.rule, revision) == 2
    assert rows_opened(store_world, schema.plan, revision) == 0
    rule = schema.rule.c
    with store_world.database.read() as connection:
        closed = connection.execute(select(rule.v1).where(rule.closed_revision == revision)).all()
    assert closed == [("doc:p0",)]


def test_a_change_into_the_same_is_none(store_world: StoreWorld) -> None:
    store_world.put(*ALL)
    before = store_world.index.revision
    for life in LIVES.values():
        store_world.replace(life.first, life.first)
    assert store_world.index.revision == ledger.head(store_world.database) == before


def test_one_transaction_may_change_a_fact_many_times(store_world: StoreWorld) -> None:
    permission = Permission("doc:read")
    changed = replace(permission, description="changed")
    with store_world.store.transaction(CALL) as tx:
        for before, after in (
            (None, permission),
            (permission, changed),
            (changed, permission),
            (permission, None),
            (None, changed),
        ):
            tx.change(before, after)
        tx.record(AuditRecord("test.changed", "system", ("permission:doc:read",)))
    assert read_back(store_world) == [changed]
    ledger.assert_whole(store_world.database)


def test_ending_what_does_not_hold_changes_nothing(store_world: StoreWorld) -> None:
    store_world.put(Permission("doc:read"))
    before = ledger.contents(store_world.database)
    for fact in (Permission("doc:write"), every_fact.KEY, every_fact.GRANT):
        with pytest.raises(Internal):
            store_world.end(fact)
    assert ledger.contents(store_world.database) == before


@pytest.mark.parametrize("window", EDGES, ids=str)
def test_windows_at_the_edges_of_bigint_are_kept(store_world: StoreWorld, window: Window) -> None:
    tenant = Tenant(
        "acme",
        periods=(StatePeriod(TenantState.GRACE, window),),
        subscription_items=(SubscriptionItem("tier/pro", window),),
    )
    grant = RoleGrant("acme", "user:a", "viewer", window=window)
    kinds = (ExceptionKind.GRANT, ExceptionKind.DENY, ExceptionKind.REPLACE)
    exceptions = [
        TenantException(kind.value, "acme", kind, frozenset({"doc:read"}), window=window)
        for kind in kinds
    ]
    key = ApiKey("k", "", created_at=window.valid_from, expires_at=window.valid_until)
    store_world.put(tenant, Membership("acme", "user:a"), grant, *exceptions, key)
    with store_world.facts() as facts:
        assert facts.tenants() == [tenant]
        assert facts.role_grants("acme") == [grant]
        assert facts.exceptions() == exceptions
        assert facts.kept(ApiKey) == [key]
    assert ledger.same(store_world.index, store_world.stored_index())
    ledger.assert_whole(store_world.database)


def test_limits_at_the_edges_of_bigint_are_kept(store_world: StoreWorld) -> None:
    values = (0, 2**31, 2**53 + 1, 2**63 - 1, None)
    limits = tuple(Limit(f"l{at}", value, "unit") for at, value in enumerate(values))
    store_world.put(Plan("tier/vast", limits=limits))
    with store_world.facts() as facts:
        assert [plan.limits for plan in facts.plans()] == [limits]
    ledger.assert_whole(store_world.database)


def test_identifiers_compare_byte_for_byte(store_world: StoreWorld) -> None:
    """`a`, `A`, `_` and `-` are four names, and stand in the order of their bytes."""
    names = ["-", "A", "B", "_", "a", "a-b", "a.b", "aB", "a_b", "ab", "b"]
    subjects = [f"user:{name}" for name in names]
    store_world.put(
        *(Role(f"r{name}", frozenset({"doc:read"})) for name in names),
        *(Tenant(f"t{name}") for name in names),
        *(Membership("tA", subject) for subject in subjects),
        *(RoleGrant("tA", subject, "rA", id=subject) for subject in subjects),
    )
    with store_world.facts() as facts:
        assert [tenant.id for tenant in facts.tenants("ta")] == ["ta"]
        assert [m.subject for m in facts.memberships("tA", "user:a")] == ["user:a"]
        assert facts.memberships("ta", "user:a") == []
        assert facts.role_grants("ta") == []
        page = facts.role_grants_after("tA", "user:_", 3)
    assert [grant.id for grant in page] == ["user:a", "user:a-b", "user:a.b"]
    with store_world.database.read() as connection:
        query = select(schema.member.c.subject).order_by(schema.member.c.subject)
        assert list(connection.execute(query).scalars()) == sorted(subjects) == subjects
    assert ledger.same(store_world.index, store_world.stored_index())
