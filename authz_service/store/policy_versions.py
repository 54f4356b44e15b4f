"""The revisions that changed the billing policy, and the lock under which it is changed.

An event may be taken in aside from the head. It is decided by the policy in force all the same:
whoever changes the policy waits for such events, and who takes one in sees whether it has changed.
"""

from typing import Final

from sqlalchemy import Connection, select, union, update

from authz_service.domain.billing_part import PARTS
from authz_service.domain.change import Revision
from authz_service.store.schema import billing_head, kept_fact
from authz_service.store.statement import Statement

_POLICY: Final = 0x706F6C69
"""The advisory lock of the policy. SQLite has one writer anyway."""

_HEAD: Final = Statement(select(billing_head.c.revision))


def hold(connection: Connection) -> None:
    """Let nobody decide by the policy, aside from the head, before this transaction ends."""
    _lock(connection, "pg_advisory_xact_lock")


def advance(connection: Connection, revision: Revision) -> None:
    """Note that a revision changes the policy."""
    hold(connection)
    connection.execute(update(billing_head).values(revision=revision))


def in_step(connection: Connection, revision: Revision) -> bool:
    """Tell whether the policy of a revision is in force; it stays so until the transaction ends."""
    _lock(connection, "pg_advisory_xact_lock_shared")
    row = _HEAD.one(connection, {})
    return row is not None and int(row[0]) <= revision


def _lock(connection: Connection, function: str) -> None:
    if connection.dialect.name == "postgresql":
        cursor = connection.connection.cursor()
        cursor.execute(f"SELECT {function}(%s)", (_POLICY,))
        cursor.close()


def revisions(connection: Connection, before: Revision, at_most: int) -> list[Revision]:
    """List revisions that changed the policy, the newest first, those before one; 0 for all."""
    of_policy = kept_fact.c.kind.in_([kind.__name__ for kind in PARTS])
    opened, closed = kept_fact.c.opened_revision, kept_fact.c.closed_revision
    both = union(
        select(opened.label("revision")).where(of_policy),
        select(closed.label("revision")).where(of_policy, closed.is_not(None)),
    ).subquery()
    query = select(both.c.revision).order_by(both.c.revision.desc()).limit(at_most)
    if before:
        query = query.where(both.c.revision < before)
    return list(connection.execute(query).scalars())
