"""A world as a database, written past the unit of work: rows straight into their tables."""

import sqlite3
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final, cast

import psycopg
from psycopg import sql

from authz_service.domain.grant import RoleGrant
from authz_service.domain.membership import Membership
from authz_service.store import migrate, schema
from authz_service.store.database import Database
from authz_service.store.rows import rows_of
from tests.bench.worlds import World

Rows = Iterable[Sequence[Any]]

_REVISION: Final = 1
_MARKER: Final = "\0"


def make(url: str, world: World, *, packed: bool = False) -> None:
    """Create the tables in an empty database and fill them with the world, at revision 1.

    `packed` builds SQLite's indexes at the end, which is quicker and leaves their pages full:
    good for reading only, since every later insertion would split a page.
    """
    database = Database(url)
    migrate.migrate(database)
    database.close()
    if database.dialect == "sqlite":
        _write_sqlite(database, world, packed=packed)
    else:
        _write_postgres(database, world)


def _tables(world: World) -> Iterator[tuple[str, list[str], Rows]]:
    """Iterate over tables, their columns and their rows."""
    grouped: defaultdict[str, list[dict[str, Any]]] = defaultdict(list)
    for fact in world.facts():
        for row in rows_of(fact):
            grouped[row.table.name].append({**dict(row.values), "opened_revision": _REVISION})
    for name, values in grouped.items():
        yield name, list(values[0]), (list(each.values()) for each in values)
    yield "member", *_members(world)
    yield "rule", *_grants(world)
    log = [[_REVISION, 0, "[]"]]
    yield schema.change_log.name, ["revision", "at", "delta"], log


def _members(world: World) -> tuple[list[str], Rows]:
    columns, template = _template(Membership("t", _MARKER))
    at_tenant, at_subject = columns.index("tenant"), columns.index("subject")

    def rows() -> Iterator[list[Any]]:
        for tenant, subject, _ in world.people():
            row = template.copy()
            row[at_tenant], row[at_subject] = tenant, subject
            yield row

    return columns, rows()


def _grants(world: World) -> tuple[list[str], Rows]:
    columns, template = _template(RoleGrant("t", _MARKER, "r"))
    changing = [
        columns.index(name) for name in ("v0", "v1", "gives", "tenant", "subject", "grant_id")
    ]
    who, what, gives, where, whom, which = changing

    def rows() -> Iterator[list[Any]]:
        count = 0
        for tenant, subject, roles in world.people():
            for role in roles:
                row = template.copy()
                row[who], row[what] = f"{subject}@{tenant}", f"role/{role}"
                row[gives] = role
                row[where], row[whom], row[which] = tenant, subject, f"{count:021x}"
                count += 1
                yield row

    return columns, rows()


def _template(fact: Membership | RoleGrant) -> tuple[list[str], list[Any]]:
    (row,) = rows_of(fact)
    values = {**dict(row.values), "opened_revision": _REVISION}
    return list(values), list(values.values())


def _write_sqlite(database: Database, world: World, *, packed: bool) -> None:
    connection = sqlite3.connect(cast("str", database.url.database), isolation_level=None)
    for pragma in ("journal_mode = OFF", "synchronous = OFF", "cache_size = -1000000"):
        connection.execute(f"PRAGMA {pragma}")
    connection.execute("BEGIN")
    indexes = _drop_indexes(connection) if packed else []
    for table, columns, rows in _tables(world):
        marks = ", ".join("?" * len(columns))
        connection.executemany(
            f'INSERT INTO "{table}" ({", ".join(columns)}) VALUES ({marks})', rows
        )
    for statement in (*indexes, f"UPDATE head SET revision = {_REVISION}", "COMMIT"):
        connection.execute(statement)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.close()


def _drop_indexes(connection: sqlite3.Connection) -> list[str]:
    """Drop all indexes and return the statements that make them again."""
    query = "SELECT name, sql FROM sqlite_master WHERE type = 'index' AND sql IS NOT NULL"
    dropped = connection.execute(query).fetchall()
    for name, _ in dropped:
        connection.execute(f"DROP INDEX {name}")
    return [statement for _, statement in dropped]


def _write_postgres(database: Database, world: World) -> None:
    address = database.url.set(drivername="postgresql").render_as_string(hide_password=False)
    with psycopg.connect(address) as connection, connection.cursor() as cursor:
        for table, columns, rows in _tables(world):
            names = sql.SQL(", ").join(map(sql.Identifier, columns))
            statement = sql.SQL("COPY {} ({}) FROM STDIN").format(sql.Identifier(table), names)
            with cursor.copy(statement) as copy:
                for row in rows:
                    copy.write_row(row)
        cursor.execute("UPDATE head SET revision = %s", (_REVISION,))
    with psycopg.connect(address, autocommit=True) as connection:
        connection.execute("VACUUM ANALYZE")
