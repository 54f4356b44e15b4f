"""One transaction, everything or nothing: facts, rules, audit, change log, head and answer."""

from dataclasses import replace

import pytest
from sqlalchemy import select, text

from authz_service.domain.audit import AuditRecord
from authz_service.domain.call import Call
from authz_service.domain.catalog import Permission
from authz_service.domain.membership import Membership
from authz_service.domain.tenant import Tenant
from authz_service.errors import Internal
from authz_service.store import schema
from authz_service.store.unit_of_work import Transaction
from tests.conformance import every_fact, ledger
from tests.conformance.callers import calling, granted, seed
from tests.conformance.store_world import CALL, OPS, StoreWorld

REQUEST = Call(OPS, "r1", "content")


class Burst(Exception):
    """Something unforeseen in the midst of a use case."""


def burst(tx: Transaction) -> None:
    change_everything(tx)
    raise Burst


def change_unexplained(tx: Transaction) -> None:
    change_everything(tx)
    tx.records.clear()


def change_everything(tx: Transaction) -> None:
    """Do all that a transaction can do."""
    for fact in every_fact.ALL:
        tx.change(None, fact)
    tx.change(Membership("old", "user:a"), None)
    tx.record(AuditRecord("test.changed", "acme", ("a",)))
    tx.record(AuditRecord("test.changed", "system", ("b",)))
    tx.answer = "{}"


@pytest.fixture
def old(store_world: StoreWorld) -> ledger.Contents:
    """Put something that each test leaves as it is."""
    store_world.put(Tenant("old"), Membership("old", "user:a"))
    return ledger.contents(store_world.database)


def test_revisions_are_gap_free_and_in_commit_order(store_world: StoreWorld) -> None:
    made = []
    for at in range(20):
        store_world.clock.now += 1
        made.append(store_world.put(Permission(f"doc:p{at}")))
        with pytest.raises(Burst):
            store_world.run(burst)
    assert made == ledger.logged(store_world.database) == list(range(1, 21))
    log = schema.change_log.c
    with store_world.database.read() as connection:
        instants = list(connection.execute(select(log.at).order_by(log.revision)).scalars())
    assert instants == sorted(set(instants))


def test_everything_of_one_transaction_has_one_revision(
    store_world: StoreWorld, old: ledger.Contents
) -> None:
    tx = store_world.run(change_everything, REQUEST)
    assert tx.revision == 2 == store_world.index.revision == ledger.head(store_world.database)
    with store_world.database.read() as connection:
        for table in schema.FACT_TABLES:
            opened = connection.execute(select(table.c.opened_revision).distinct()).scalars()
            assert 2 in list(opened), table.name
        answered = connection.execute(select(schema.request.c.revision)).scalars()
        assert list(answered) == [2]
    assert {e.revision for e in ledger.chains(store_world.database)["acme"]} == {2}
    ledger.assert_whole(store_world.database)


def test_unaudited_change_cannot_commit(store_world: StoreWorld, old: ledger.Contents) -> None:
    with pytest.raises(Internal, match="unexplained"):
        store_world.run(change_unexplained, REQUEST)
    assert ledger.contents(store_world.database) == old
    assert store_world.index.revision == 1


def test_an_exception_rolls_everything_back(store_world: StoreWorld, old: ledger.Contents) -> None:
    with pytest.raises(Burst):
        store_world.run(burst, REQUEST)
    assert ledger.contents(store_world.database) == old
    assert store_world.index.revision == 1


@pytest.mark.parametrize("table", ["rule", "audit_entry", "request", "change_log", "head"])
def test_a_write_that_fails_half_way_leaves_nothing(
    store_world: StoreWorld, old: ledger.Contents, table: str
) -> None:
    """The database itself refuses one statement, when others have been carried out."""
    with store_world.database.engine.begin() as connection:
        for statement in refusing(store_world.database.dialect, table):
            connection.execute(text(statement))
    with pytest.raises(Exception, match="refused"):
        store_world.run(change_everything, REQUEST)
    assert ledger.contents(store_world.database) == old
    assert store_world.index.revision == 1
    with store_world.database.engine.begin() as connection:
        on_table = f" ON {table}" if store_world.database.dialect == "postgresql" else ""
        connection.execute(text(f"DROP TRIGGER refusing{on_table}"))
    store_world.run(change_everything, REQUEST)
    ledger.assert_whole(store_world.database)


def refusing(dialect: str, table: str) -> list[str]:
    """Write the statements that make a table refuse what is written to it."""
    event = "UPDATE" if table == "head" else "INSERT"
    if dialect == "sqlite":
        body = "BEGIN SELECT RAISE(ABORT, 'refused'); END"
        return [f"CREATE TRIGGER refusing AFTER {event} ON {table} {body}"]
    body = "AS $$BEGIN RAISE EXCEPTION 'refused'; END$$"
    return [
        f"CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql {body}",
        f"CREATE TRIGGER refusing AFTER {event} ON {table} EXECUTE FUNCTION refuse()",
    ]


def test_validate_only_runs_in_full_and_writes_nothing(
    store_world: StoreWorld, old: ledger.Contents
) -> None:
    tx = store_world.run(change_everything, replace(REQUEST, validate_only=True))
    assert tx.revision == 2
    assert ledger.contents(store_world.database) == old
    assert store_world.index.revision == 1


def test_validate_only_still_refuses_what_cannot_commit(store_world: StoreWorld) -> None:
    with pytest.raises(Internal, match="unexplained"):
        store_world.run(change_unexplained, replace(REQUEST, validate_only=True))


def test_validated_change_is_told_what_it_would_be(store_world: StoreWorld) -> None:
    revision = seed(store_world)
    validated = granted(store_world, replace(calling("r1"), validate_only=True))
    done = granted(store_world, calling("r1"))
    assert validated.revision == done.revision == revision + 1
    assert validated.value == replace(done.value, id=validated.value.id)
    assert not done.repeated


def test_a_transaction_that_changes_nothing_makes_no_revision(store_world: StoreWorld) -> None:
    store_world.put(Permission("doc:read"))
    with store_world.store.transaction(CALL) as tx:
        tx.record(AuditRecord("test.read", "system", ()))
    assert tx.revision == 1 == ledger.head(store_world.database)
    ledger.assert_whole(store_world.database)


def test_a_writer_sees_what_is_committed_by_others_before_it_decides(
    store_world: StoreWorld,
) -> None:
    """Its replica lags; the transaction's index is that of the locked head all the same."""
    other = store_world.another()
    store_world.put(Permission("doc:read"))
    assert "doc:read" not in other.index.permissions
    with other.store.transaction(CALL) as tx:
        assert "doc:read" in tx.index.permissions


def test_the_writers_own_replica_has_applied_the_change_on_return(store_world: StoreWorld) -> None:
    revision = store_world.put(Permission("doc:read"))
    assert store_world.index.revision == revision
    assert "doc:read" in store_world.index.permissions


@pytest.mark.parametrize("ending", [Burst, KeyboardInterrupt, SystemExit])
def test_the_lock_is_free_after_whatever_ended_a_transaction(
    store_world: StoreWorld, ending: type[BaseException]
) -> None:
    def body(tx: Transaction) -> None:
        change_everything(tx)
        raise ending

    with pytest.raises(ending):
        store_world.run(body)
    assert store_world.another().put(Permission("doc:read")) == 1
    assert store_world.put(Permission("doc:write")) == 2


def test_refused_transactions_leave_no_connection_behind(store_world: StoreWorld) -> None:
    for _ in range(30):
        with pytest.raises(Burst):
            store_world.run(burst)
    pool = store_world.database.engine.pool
    assert "Connections in pool: 1" in pool.status()
    assert "Current Checked out connections: 0" in pool.status()
