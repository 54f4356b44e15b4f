"""The statements of a transaction: lock the head, write facts, audit and change log."""

from collections.abc import Iterable
from functools import cache
from typing import Any, Final

from sqlalchemy import Connection, Table, bindparam, select, update

from authz_service.domain import audit
from authz_service.domain.audit import Event
from authz_service.domain.call import Call
from authz_service.domain.change import Delta, Revision
from authz_service.domain.window import Instant
from authz_service.errors import ErrorReason, Internal
from authz_service.store import change_log, schema, wakeup
from authz_service.store.rows import Row, rows_of
from authz_service.store.statement import Statement, inserting

_LOCK: Final = Statement(select(schema.head.c.revision).with_for_update())
_ADVANCE: Final = Statement(update(schema.head).values(revision=bindparam("to")))
_TAIL: Final = Statement(
    select(schema.audit_entry.c.seq, schema.audit_entry.c.hash)
    .where(schema.audit_entry.c.tenant == bindparam("of"))
    .order_by(schema.audit_entry.c.seq.desc())
    .limit(1)
)


def lock_head(connection: Connection) -> Revision:
    """Read the head revision and hold it: no other writer passes before this transaction ends."""
    row = _LOCK.one(connection, {})
    if row is None:
        raise Internal(ErrorReason.INTERNAL, "the table `head` is empty; was it migrated?")
    return int(row[0])


def write_delta(connection: Connection, delta: Delta, now: Instant) -> None:
    """Close and open the rows of every change, then log the revision and make it the head.

    Raises:
        Internal: a row to close is not open; memory and database have come apart.
    """
    closing, opening = _difference(delta)
    for table, rows in _by_table(closing):
        _close(connection, table, rows, delta.revision)
    for table, rows in _by_table(opening):
        values = [{**dict(row.values), "opened_revision": delta.revision} for row in rows]
        _insert(table).run(connection, values)
    change_log.append(connection, delta, now)
    _ADVANCE.run(connection, [{"to": delta.revision}])
    wakeup.wake(connection)


def write_events(
    connection: Connection, events: Iterable[Event], call: Call, now: Instant, revision: Revision
) -> None:
    """Append each event to its tenant's chain."""
    tails: dict[str, tuple[int, str]] = {}
    entries: list[dict[str, Any]] = []
    for event in events:
        if event.tenant not in tails:
            tails[event.tenant] = _tail(connection, event.tenant)
        seq, prev_hash = tails[event.tenant]
        sealed = audit.seal(
            event,
            call.actor,
            seq=seq + 1,
            prev_hash=prev_hash,
            at=now,
            request_id=call.request_id,
            revision=revision,
        )
        tails[event.tenant] = (sealed.seq, sealed.hash)
        entries.append(sealed._asdict())
    if entries:
        _insert(schema.audit_entry).run(connection, entries)


def _tail(connection: Connection, tenant: str) -> tuple[int, str]:
    """Give the last seq and hash of a chain; those before the first entry if it is empty."""
    last = _TAIL.one(connection, {"of": tenant})
    return (last[0], last[1]) if last is not None else (0, audit.GENESIS)


def _difference(delta: Delta) -> tuple[list[Row], list[Row]]:
    """Tell which rows to close and which to open; rows that both sides of a change have stay."""
    closing: dict[Row, None] = {}
    opening: dict[Row, None] = {}
    for change in delta.changes:
        before = dict.fromkeys(rows_of(change.before) if change.before is not None else ())
        after = dict.fromkeys(rows_of(change.after) if change.after is not None else ())
        for row in before.keys() - after.keys():
            if row in opening:
                del opening[row]
            else:
                closing[row] = None
        for row in after:
            if row not in before:
                opening[row] = None
    return list(closing), list(opening)


def _by_table(rows: list[Row]) -> list[tuple[Table, list[Row]]]:
    grouped: dict[Table, list[Row]] = {}
    for row in rows:
        grouped.setdefault(row.table, []).append(row)
    return list(grouped.items())


def _close(connection: Connection, table: Table, rows: list[Row], revision: Revision) -> None:
    keys: tuple[str, ...] = table.info["key"]
    values = [
        {"closing": revision, **{f"is_{key}": dict(row.values)[key] for key in keys}}
        for row in rows
    ]
    closed = _closing(table).run(connection, values)
    if closed != len(rows):
        raise Internal(
            ErrorReason.INTERNAL,
            f"{len(rows)} open rows of {table.name} expected, {closed} found; nothing was changed",
        )


@cache
def _insert(table: Table) -> Statement:
    return inserting(table)


@cache
def _closing(table: Table) -> Statement:
    keys: tuple[str, ...] = table.info["key"]
    return Statement(
        update(table)
        .where(table.c.closed_revision.is_(None))
        .where(*(table.c[key] == bindparam(f"is_{key}") for key in keys))
        .values(closed_revision=bindparam("closing"))
    )
