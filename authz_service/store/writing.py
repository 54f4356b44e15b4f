"""The statements of a transaction: lock the head, write facts, audit and change log."""

from collections.abc import Iterable, Sequence
from functools import cache
from typing import Final

from sqlalchemy import Connection, Table, bindparam, select, update

from authz_service.domain import audit
from authz_service.domain.audit import AuditEntry, AuditRecord
from authz_service.domain.audit_changes import told_by
from authz_service.domain.call import Call
from authz_service.domain.change import Delta, FactChange, Revision
from authz_service.domain.window import Instant
from authz_service.errors import ErrorReason, Internal
from authz_service.store import change_log, schema, wakeup
from authz_service.store.rows import Row, rows_of
from authz_service.store.statement import Statement, inserting

_ADVANCE: Final = Statement(update(schema.head).values(revision=bindparam("to")))
_TAIL: Final = Statement(
    select(schema.audit_entry.c.seq, schema.audit_entry.c.hash)
    .where(schema.audit_entry.c.tenant == bindparam("of"))
    .order_by(schema.audit_entry.c.seq.desc())
    .limit(1)
)


def close_rows(connection: Connection, closing: Iterable[Row], revision: Revision) -> None:
    """Close rows.

    Raises:
        Internal: one of them is not open; memory and database have come apart.
    """
    for table, rows in _by_table(closing):
        _close(connection, table, rows, revision)


def open_rows(connection: Connection, opening: Iterable[Row], revision: Revision) -> None:
    for table, rows in _by_table(opening):
        values = [{**dict(row.values), "opened_revision": revision} for row in rows]
        _insert(table).run(connection, values)


def advance_head(connection: Connection, delta: Delta) -> None:
    """Log the revision, make it the head, and wake its readers."""
    change_log.append(connection, delta)
    _ADVANCE.run(connection, [{"to": delta.revision}])
    wakeup.wake(connection)


def sealed(
    connection: Connection,
    records: Sequence[AuditRecord],
    changes: Sequence[FactChange],
    call: Call,
    now: Instant,
    revision: Revision,
) -> list[AuditEntry]:
    """Append each record, with the changes it tells of, to its tenant's chain."""
    tails: dict[str, tuple[int, str]] = {}
    entries: list[AuditEntry] = []
    for record, changes_told in zip(records, told_by(records, changes, now), strict=True):
        if record.tenant not in tails:
            tails[record.tenant] = _tail(connection, record.tenant)
        seq, prev_hash = tails[record.tenant]
        entry = audit.seal(
            record,
            changes_told,
            call.actor,
            seq=seq + 1,
            prev_hash=prev_hash,
            at=now,
            request_id=call.request_id,
            revision=revision,
        )
        tails[record.tenant] = (entry.seq, entry.hash)
        entries.append(entry)
    return entries


def append_entries(connection: Connection, entries: list[AuditEntry]) -> None:
    if entries:
        _insert(schema.audit_entry).run(connection, [entry._asdict() for entry in entries])


def _tail(connection: Connection, tenant: str) -> tuple[int, str]:
    """Give the last seq and hash of a chain; those before the first entry if it is empty."""
    last = _TAIL.one(connection, {"of": tenant})
    return (last[0], last[1]) if last is not None else (0, audit.GENESIS)


def difference(delta: Delta) -> tuple[list[Row], list[Row]]:
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


def _by_table(rows: Iterable[Row]) -> list[tuple[Table, list[Row]]]:
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
