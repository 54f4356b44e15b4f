"""Histories: what a database went through until another copy of it was put in its place.

A restored backup, or a standby that was behind when it took over, lacks the newest revisions and
would give their numbers out again. So it begins a history of its own, whose first revision is the
instant of the beginning in microseconds: a number above all that any history before can have
reached. A number between the last revision that two histories share and that first one is of
another history, and nobody can take it for one of ours.
"""

from typing import Any, Final, NamedTuple

from sqlalchemy import Connection, bindparam, insert, select, update

from authz_service.domain.change import Delta, Revision
from authz_service.domain.window import Instant
from authz_service.errors import ErrorReason, Internal
from authz_service.store import change_log, schema, wakeup
from authz_service.store.database_clock import DatabaseNow
from authz_service.store.statement import Statement

_head: Final = schema.head.c
_COLUMNS: Final = (_head.revision, _head.history, _head.copy, DatabaseNow())
_LOCK: Final = Statement(select(*_COLUMNS).with_for_update())
_AT: Final = (
    select(schema.change_log.c.at)
    .where(schema.change_log.c.revision == bindparam("known"))
    .scalar_subquery()
)
_SEEN: Final = Statement(select(*_COLUMNS, _AT))


class Head(NamedTuple):
    """The row that all writers lock: the newest revision, and the history that it is of.

    `copy` names the copy of the database that was written last, "" before the first. `now` is the
    instant by the database's clock, None where it has none of its own.
    """

    revision: Revision
    history: str
    copy: str
    now: Instant | None


class History(NamedTuple):
    """The history that a database is in; `foreign` are ranges of revisions of others, both ends
    outside.
    """

    id: str = ""
    foreign: tuple[tuple[Revision, Revision], ...] = ()

    def has(self, revision: Revision) -> bool:
        """Tell whether a revision is one of this history, or can become one."""
        return not any(last < revision < first for last, first in self.foreign)


def lock_head(connection: Connection) -> Head:
    """Read the head and hold it: no other writer passes before this transaction ends."""
    return _known(_LOCK.one(connection, {}))


def seen(connection: Connection, known: Revision) -> tuple[Head, Instant | None]:
    """Read the head, and when the log says that a known revision was made; None if it lacks it."""
    row = _SEEN.one(connection, {"known": known})
    return _known(row[:-1] if row else None), row[-1] if row else None


def read(connection: Connection) -> History:
    """Read which history the database is in."""
    forks = tuple((fork.last_shared, fork.first) for fork in begun(connection))
    return History(connection.execute(select(_head.history)).scalar_one(), forks)


def begun(connection: Connection) -> list[Any]:
    """List the histories that began with a copy, oldest first: all but the very first."""
    return list(connection.execute(select(schema.history).order_by(schema.history.c.first)))


def begin(connection: Connection, head: Head, history: str, at: Instant, copy: str) -> Revision:
    """Begin a history after the locked head, and return its first revision."""
    first = max(head.revision + 1, at)
    row = {"id": history, "last_shared": head.revision, "first": first, "at": at}
    connection.execute(insert(schema.history).values(row))
    change_log.append(connection, Delta(first, (), at))
    mark(connection, copy, revision=first, history=history)
    wakeup.wake(connection, everybody=True)
    return first


def mark(connection: Connection, copy: str, **others: Any) -> None:
    """Note in the head which copy of the database it is of."""
    connection.execute(update(schema.head).values(copy=copy, **others))


def _known(row: tuple[Any, ...] | None) -> Head:
    if row is None:
        raise Internal(ErrorReason.INTERNAL, "the table `head` is empty; was it migrated?")
    return Head(*row)
