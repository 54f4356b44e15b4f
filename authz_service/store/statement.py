"""Statements of the write path: compiled once, run on the driver's cursor.

SQLAlchemy's own execution costs about 35 us a statement beside the driver's 5 us (measured,
SQLite); an audited grant takes nine of them. What is written stays SQLAlchemy Core.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple, cast

import psycopg
from sqlalchemy import Connection, Dialect, Insert, Select, Table, Update, bindparam, insert

Parameters = Mapping[str, Any]


class _Compiled(NamedTuple):
    sql: str
    fixed: dict[str, Any]
    """Values that the statement itself carries, such as the 1 of LIMIT 1."""
    order: list[str] | None
    """Names of the placeholders in order; None where the driver takes names."""

    def arguments(self, parameters: Parameters) -> Any:
        values = {**self.fixed, **parameters}
        return values if self.order is None else [values[name] for name in self.order]


class Statement:
    """A Core statement, compiled for each dialect when it is first run there.

    Parameters are passed to the driver as they are: only for columns whose Python values need no
    conversion, as text, integers and booleans do not.
    """

    def __init__(self, statement: Insert | Select[Any] | Update) -> None:
        self._statement = statement
        self._compiled: dict[str, _Compiled] = {}

    def one(self, connection: Connection, parameters: Parameters) -> tuple[Any, ...] | None:
        """Return the first row, or None if there is none."""
        cursor = connection.connection.cursor()
        compiled = self._for(connection.dialect)
        cursor.execute(compiled.sql, compiled.arguments(parameters))
        row: tuple[Any, ...] | None = cursor.fetchone()
        cursor.close()
        return row

    def all(self, connection: Connection, parameters: Parameters) -> list[tuple[Any, ...]]:
        """Return every row."""
        cursor = connection.connection.cursor()
        compiled = self._for(connection.dialect)
        cursor.execute(compiled.sql, compiled.arguments(parameters))
        rows = list(cursor.fetchall())
        cursor.close()
        return rows

    def run(self, connection: Connection, rows: Sequence[Parameters]) -> int:
        """Execute once for each row of parameters; return how many table rows that touched."""
        cursor = connection.connection.cursor()
        compiled = self._for(connection.dialect)
        if len(rows) == 1:
            cursor.execute(compiled.sql, compiled.arguments(rows[0]))
        else:
            cursor.executemany(compiled.sql, [compiled.arguments(row) for row in rows])
        touched: int = cursor.rowcount
        cursor.close()
        return touched

    def _for(self, dialect: Dialect) -> _Compiled:
        if dialect.name not in self._compiled:
            compiled = self._statement.compile(dialect=dialect)
            fixed = {name: value for name, value in compiled.params.items() if value is not None}
            order = getattr(compiled, "positiontup", None) if dialect.positional else None
            self._compiled[dialect.name] = _Compiled(str(compiled), fixed, order)
        return self._compiled[dialect.name]


@contextmanager
def pipelined(connection: Connection) -> Iterator[None]:
    """Send the block's statements without waiting for each answer, where the driver can.

    Inside, `run` cannot tell how many rows it touched. A failure is raised at the latest when the
    block ends.
    """
    if connection.dialect.name != "postgresql":
        yield
        return
    with cast(psycopg.Connection[Any], connection.connection.driver_connection).pipeline():
        yield


def inserting(table: Table) -> Statement:
    """Insert rows into a table; ids are the database's to give, facts are open at first."""
    given_later = {"id", "closed_revision"} if "closed_revision" in table.c else set()
    columns = [column.name for column in table.c if column.name not in given_later]
    return Statement(insert(table).values({name: bindparam(name) for name in columns}))
