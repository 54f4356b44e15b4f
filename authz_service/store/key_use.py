"""When keys were last used. A plain table beside the facts: nothing is decided by it, so it has no
revision and no audit, and what the last minute would have written may be lost.
"""

from collections.abc import Mapping
from typing import Any, Final

from sqlalchemy import Connection, Insert, select
from sqlalchemy.dialects import postgresql, sqlite

from authz_service.domain.window import Instant
from authz_service.store.schema import key_use

_INSERT: Final[Mapping[str, Any]] = {"postgresql": postgresql.insert, "sqlite": sqlite.insert}


def read(connection: Connection) -> dict[str, Instant]:
    """Read when each key was last used; a key that never was is not there."""
    rows = connection.execute(select(key_use.c.key, key_use.c.at))
    return {row.key: row.at for row in rows}


def write(connection: Connection, used: Mapping[str, Instant]) -> None:
    """Move on the instants that are later than what stands there, which may be another process's.

    In the order of the keys, so that two processes cannot wait for each other.
    """
    if used:
        rows = [{"key": key, "at": at} for key, at in sorted(used.items())]
        connection.execute(_moving_on(connection.dialect.name), rows)


def _moving_on(dialect: str) -> Insert:
    inserting = _INSERT[dialect](key_use)
    statement: Insert = inserting.on_conflict_do_update(
        index_elements=["key"],
        set_={"at": inserting.excluded.at},
        where=key_use.c.at < inserting.excluded.at,
    )
    return statement
