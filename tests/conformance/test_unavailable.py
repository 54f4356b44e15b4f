"""A database that cannot be used refuses changes, tells so, and has changed nothing unsaid."""

from collections.abc import Iterator

import pytest
from sqlalchemy import Connection, text
from sqlalchemy.exc import OperationalError, ProgrammingError

from authz_service.domain.audit import AuditRecord
from authz_service.domain.catalog import Permission
from authz_service.errors import ErrorReason, Unavailable
from authz_service.store import migrate
from authz_service.store.unit_of_work import Transaction
from tests.conformance import ledger
from tests.conformance.callers import calling, granted, grants_of_alice, seed
from tests.conformance.outages import cut, down, locked
from tests.conformance.store_world import StoreWorld, opened


@pytest.fixture
def impatient(database_url: str) -> Iterator[StoreWorld]:
    """Lend a process's worth that waits a twentieth of a second for a lock."""
    with opened(database_url, busy_seconds=0.05) as world:
        yield world


def assert_unavailable(refused: pytest.ExceptionInfo[Unavailable]) -> None:
    assert refused.value.reason is ErrorReason.DATABASE_UNAVAILABLE
    assert refused.value.__cause__ is not None
    for word in ("sqlite", "psycopg", "SELECT", "locked", "head"):
        assert word not in refused.value.message


def test_a_lock_held_too_long_refuses_changes_and_nothing_else(impatient: StoreWorld) -> None:
    impatient.put(Permission("doc:read"))
    with locked(impatient.url):
        with pytest.raises(Unavailable) as refused:
            impatient.put(Permission("doc:write"))
        assert_unavailable(refused)
        impatient.replica.catch_up()
        assert impatient.index.permissions.keys() == {"doc:read"}
        assert ledger.same(impatient.index, impatient.stored_index())
    assert impatient.put(Permission("doc:write")) == 2
    ledger.assert_whole(impatient.database)


def test_a_commit_whose_answer_was_lost_is_found_by_the_retry(
    store_world: StoreWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The connection breaks when the database has committed and before it can say so."""
    revision = seed(store_world)
    commit = Connection.commit

    def lost(connection: Connection) -> None:
        commit(connection)
        raise OperationalError("COMMIT", {}, Exception("connection lost"))

    with monkeypatch.context() as patched:
        patched.setattr(Connection, "commit", lost)
        with pytest.raises(Unavailable):
            granted(store_world, calling("r1"))
    assert store_world.index.revision == revision
    again = granted(store_world, calling("r1"))
    assert (again.revision, again.repeated) == (revision + 1, True)
    assert grants_of_alice(store_world) == [again.value]
    assert ledger.same(store_world.index, store_world.stored_index())
    ledger.assert_whole(store_world.database)


def test_a_connection_lost_within_a_transaction_changes_nothing(
    postgres_world: StoreWorld, postgres_base_url: str
) -> None:
    postgres_world.put(Permission("doc:read"))
    before = ledger.contents(postgres_world.database)

    def body(tx: Transaction) -> None:
        tx.change(None, Permission("doc:write"))
        tx.record(AuditRecord("test.changed", "system", ()))
        assert cut(postgres_base_url, postgres_world.url) >= 1

    with pytest.raises(Unavailable) as refused:
        postgres_world.run(body)
    assert_unavailable(refused)
    assert ledger.contents(postgres_world.database) == before
    assert postgres_world.put(Permission("doc:write")) == 2


def test_a_database_that_is_down_refuses_everything_that_needs_it(
    postgres_world: StoreWorld, postgres_base_url: str
) -> None:
    database = postgres_world.database
    with down(postgres_base_url, postgres_world.url):
        for use in (
            lambda: postgres_world.put(Permission("doc:read")),
            postgres_world.replica.catch_up,
            postgres_world.replica.load,
            postgres_world.stored_index,
            lambda: migrate.pending(database),
            lambda: migrate.migrate(database),
        ):
            with pytest.raises(Unavailable) as refused:
                use()
            assert_unavailable(refused)
    assert postgres_world.put(Permission("doc:read")) == 1


def test_a_database_that_became_a_standby_refuses_changes_alone(
    postgres_world: StoreWorld, postgres_base_url: str
) -> None:
    """What was the primary answers reads and is read-only: a failover has begun."""
    postgres_world.put(Permission("doc:read"))
    name = postgres_world.database.url.database
    with postgres_world.database.engine.begin() as connection:
        connection.execute(text(f'ALTER DATABASE "{name}" SET default_transaction_read_only = on'))
    cut(postgres_base_url, postgres_world.url)
    with pytest.raises(Unavailable) as refused:
        postgres_world.put(Permission("doc:write"))
    assert_unavailable(refused)
    postgres_world.replica.catch_up()
    assert postgres_world.index.permissions.keys() == {"doc:read"}


@pytest.mark.parametrize("statement", ["SELECT * FROM nowhere", "SELECT 1 +"])
def test_a_mistake_of_ours_is_not_taken_for_an_outage(
    postgres_world: StoreWorld, statement: str
) -> None:
    """SQLite calls both the same."""
    with pytest.raises(ProgrammingError), postgres_world.database.read() as connection:
        connection.execute(text(statement))
