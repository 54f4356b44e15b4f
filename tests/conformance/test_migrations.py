"""Migrations make the tables that the code describes, and know when they are behind.

There is one so far, the baseline; what brings a database with data to a later version is tested
by the migration of a version to come, which a test writes.
"""

import shutil
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Final

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Connection, insert, inspect, text
from sqlalchemy.exc import IntegrityError

from authz_service.engine.index import Index
from authz_service.errors import ErrorReason, FailedPrecondition
from authz_service.store import schema
from authz_service.store.database import Database
from authz_service.store.migrate import SCRIPTS, migrate, pending, require_migrated
from tests.conformance import every_fact, ledger
from tests.conformance.store_world import StoreWorld

NEXT: Final = '''"""Notes on members."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    op.add_column("member", sa.Column("note", sa.Text(), server_default="", nullable=False))
    op.execute("UPDATE member SET note = subject || ' in ' || tenant")
'''

MADE_BY_MIGRATIONS_ALONE = {"alembic_version", "casbin_rule"}

# Alembic compares neither collations nor defaults, partial indexes and checks.
SQLITE_DETAILS = """
    SELECT m.name, i.name, x.seqno, x.name, x.coll, x.desc || i.partial || l.wr
    FROM sqlite_master m
    JOIN pragma_table_list(m.name) l JOIN pragma_index_list(m.name) i
    JOIN pragma_index_xinfo(i.name) x
    WHERE m.type = 'table'
    UNION ALL
    SELECT m.name, c.name, c.type, c."notnull", c.dflt_value, c.pk
    FROM sqlite_master m JOIN pragma_table_xinfo(m.name) c
    WHERE m.type = 'table'
    ORDER BY 1, 2, 3
"""
POSTGRES_DETAILS = """
    SELECT table_name, column_name, collation_name || '', column_default
    FROM information_schema.columns WHERE table_schema = 'public'
    UNION ALL
    SELECT tablename, indexname, indexdef, '' FROM pg_indexes WHERE schemaname = 'public'
    UNION ALL
    SELECT conrelid::regclass::text, conname, pg_get_constraintdef(oid), ''
    FROM pg_constraint WHERE connamespace = 'public'::regnamespace
    ORDER BY 1, 2, 3
"""


@pytest.fixture
def empty_url(dialect: str, request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Name a database that nobody has migrated."""
    if dialect == "sqlite":
        return f"sqlite:///{tmp_path / 'empty.db'}"
    return str(request.getfixturevalue("postgres_url"))


@pytest.fixture
def empty(empty_url: str) -> Iterator[Database]:
    database = Database(empty_url)
    yield database
    database.close()


def details(connection: Connection) -> list[tuple[Any, ...]]:
    sql = SQLITE_DETAILS if connection.dialect.name == "sqlite" else POSTGRES_DETAILS
    found = map(tuple, connection.execute(text(sql)))
    return [row for row in found if row[0] not in MADE_BY_MIGRATIONS_ALONE]


def test_fresh_database_is_migrated_and_empty(store_world: StoreWorld) -> None:
    assert pending(store_world.database) == []
    held = ledger.contents(store_world.database)
    ((row, revision, history, copy),) = held.pop("head")
    assert (row, revision, len(history), copy) == (1, 0, 32, "")
    assert held.pop("billing_head") == [(1, 0)]
    assert {table: rows for table, rows in held.items() if rows} == {}
    assert ledger.same(store_world.index, Index.empty())


def test_migrations_make_the_tables_of_the_models(store_world: StoreWorld) -> None:
    with store_world.database.read() as connection:
        context = MigrationContext.configure(connection)
        differences = compare_metadata(context, schema.metadata)
        tables = set(inspect(connection).get_table_names())
    assert differences == []
    assert tables == {*schema.metadata.tables, "alembic_version"}


def test_migrations_make_what_alembic_does_not_compare(
    store_world: StoreWorld, empty: Database
) -> None:
    with empty.engine.begin() as connection:
        schema.metadata.create_all(connection)
        modelled = details(connection)
    with store_world.database.read() as connection:
        assert details(connection) == modelled != []


def test_there_is_never_a_second_head(store_world: StoreWorld) -> None:
    with pytest.raises(IntegrityError), store_world.database.engine.begin() as connection:
        connection.execute(insert(schema.head), {"id": 2, "revision": 0})


def test_the_view_is_there_and_shows_nothing_of_an_empty_database(store_world: StoreWorld) -> None:
    with store_world.database.read() as connection:
        assert inspect(connection).get_view_names() == ["casbin_rule"]
        shown = connection.execute(text("SELECT * FROM casbin_rule"))
        assert list(shown.keys()) == ["id", "ptype", "v0", "v1", "v2", "v3", "v4", "v5"]
        assert shown.all() == []


def test_database_without_a_schema_is_behind_until_it_is_migrated(empty: Database) -> None:
    lacking = pending(empty)
    assert lacking[0].startswith("0001 ")
    assert migrate(empty) == lacking
    assert pending(empty) == []


def test_migrating_again_does_nothing(store_world: StoreWorld) -> None:
    before = ledger.contents(store_world.database)
    assert migrate(store_world.database) == []
    assert ledger.contents(store_world.database) == before


@pytest.fixture
def next_version(tmp_path: Path) -> Path:
    """Lend the migrations of a version to come."""
    scripts = shutil.copytree(SCRIPTS, tmp_path / "next")
    (scripts / "versions" / "0002_notes.py").write_text(NEXT)
    return scripts


def test_next_migration_carries_the_data_over(store_world: StoreWorld, next_version: Path) -> None:
    store_world.put(*every_fact.ALL)
    before = ledger.contents(store_world.database)
    assert migrate(store_world.database, next_version) == ["0002 Notes on members."]
    assert pending(store_world.database, next_version) == []
    assert ledger.contents(store_world.database) == before
    with store_world.database.read() as connection:
        notes = connection.execute(text("SELECT subject, tenant, note FROM member")).all()
    assert notes
    assert all(note == f"{subject} in {tenant}" for subject, tenant, note in notes)
    ledger.assert_whole(store_world.database)


def test_process_of_this_version_goes_on_while_the_next_one_migrates(
    store_world: StoreWorld, next_version: Path
) -> None:
    migrate(store_world.database, next_version)
    store_world.put(*every_fact.ALL)
    assert ledger.same(store_world.stored_index(), store_world.index)


def test_next_version_refuses_to_serve_a_database_of_this_one(
    store_world: StoreWorld, next_version: Path
) -> None:
    with pytest.raises(FailedPrecondition, match="0002 Notes on members") as refused:
        require_migrated(store_world.database, next_version)
    assert refused.value.reason is ErrorReason.DATABASE_BEHIND
    migrate(store_world.database, next_version)
    require_migrated(store_world.database, next_version)


def test_migration_that_fails_half_way_leaves_nothing(
    store_world: StoreWorld, next_version: Path
) -> None:
    file = next_version / "versions" / "0002_notes.py"
    file.write_text(NEXT + '    op.execute("INSERT INTO head (id, revision) VALUES (2, 0)")\n')
    with pytest.raises(IntegrityError):
        migrate(store_world.database, next_version)
    assert pending(store_world.database, next_version) == ["0002 Notes on members."]
    with store_world.database.read() as connection:
        columns = {column["name"] for column in inspect(connection).get_columns("member")}
    assert columns == set(schema.member.c.keys())


def test_of_several_that_migrate_at_once_one_does(
    store_world: StoreWorld, next_version: Path
) -> None:
    worlds = [store_world, store_world.another("b"), store_world.another("c")]
    with ThreadPoolExecutor(len(worlds)) as pool:
        applied = list(pool.map(lambda world: migrate(world.database, next_version), worlds))
    assert sorted(applied) == [[], [], ["0002 Notes on members."]]
