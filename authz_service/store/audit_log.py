"""Reading the audit: entries as they were sealed, by what can be searched of them."""

from collections.abc import Generator, Iterator
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import ColumnElement, Connection, Select, and_, func, literal, or_, select, tuple_

from authz_service.domain.audit import DONE, GENESIS, AuditEntry
from authz_service.domain.change import Revision
from authz_service.domain.window import Instant
from authz_service.store import change_log
from authz_service.store.schema import audit_entry

REFUSED: Final = "refused"
"""As an outcome in a filter: whatever was refused, for any reason."""

_AFTER_Z: Final = "{"
"""Sorts after every character that an action may have."""

_AT_ONCE: Final = {"yield_per": 1000}


@dataclass(frozen=True, slots=True)
class Filters:
    """Which entries: "" and None in any filter let all through; times are a half-open window."""

    tenant: str = ""
    actor: str = ""
    on_behalf_of: str = ""
    action_prefix: str = ""
    outcome: str = ""
    start: Instant | None = None
    end: Instant | None = None
    oldest_first: bool = False


@dataclass(frozen=True, slots=True)
class Revisions:
    """Which revisions: `after` is exclusive and `until` inclusive; 0 leaves either open."""

    after: Revision = 0
    until: Revision = 0


def tail(connection: Connection, tenant: str) -> int:
    """Read the number of a chain's last entry; 0 if it is empty."""
    query = select(func.max(audit_entry.c.seq)).where(audit_entry.c.tenant == tenant)
    return connection.execute(query).scalar_one() or 0


def entries(
    connection: Connection,
    filters: Filters,
    at_most: int,
    after: tuple[Any, ...],
    bound: tuple[Any, ...],
) -> list[AuditEntry]:
    """Read entries by instant, tenant and number, those after the place `after` alone,
    which is () for all.

    In the chain `bound[0]` none has a number beyond `bound[1]`.
    """
    log = audit_entry.c
    query = select(audit_entry).where(*_conditions(filters))
    query = query.where(or_(log.tenant != bound[0], log.seq <= bound[1]))
    query = _from(query, (log.at, log.tenant, log.seq), after, filters.oldest_first)
    return [AuditEntry(*row) for row in connection.execute(query.limit(at_most))]


def entries_of_changes(
    connection: Connection,
    filters: Filters,
    revisions: Revisions,
    at_most: int,
    since: tuple[Any, ...],
) -> list[AuditEntry]:
    """Read entries that tell of changes, by revision, tenant and number, from `since` on.

    `since` is () for all.
    """
    log = audit_entry.c
    query = select(audit_entry).where(log.changes > 0, *_conditions(filters))
    query = query.where(*_within(connection, filters, revisions))
    order = (log.revision, log.tenant, log.seq)
    query = _from(query, order, since, filters.oldest_first, inclusive=True)
    return [AuditEntry(*row) for row in connection.execute(query.limit(at_most))]


def chain(connection: Connection, tenant: str, first: int) -> Generator[AuditEntry, None, None]:
    """Iterate over a chain from the entry `first` on."""
    log = audit_entry.c
    query = select(audit_entry).where(log.tenant == tenant, log.seq >= first).order_by(log.seq)
    with connection.execute(query, execution_options=_AT_ONCE) as rows:
        for row in rows:
            yield AuditEntry(*row)


def _from(
    query: Select[Any],
    order: tuple[ColumnElement[Any], ...],
    place: tuple[Any, ...],
    oldest_first: bool,
    *,
    inclusive: bool = False,
) -> Select[Any]:
    """Order a query, and begin after a place, or at it."""
    query = query.order_by(*(order if oldest_first else (column.desc() for column in order)))
    if not place:
        return query
    columns, values = tuple_(*order), tuple_(*map(literal, place))
    beyond = columns > values if oldest_first else columns < values
    return query.where(or_(beyond, and_(*_equal(order, place))) if inclusive else beyond)


def _equal(
    order: tuple[ColumnElement[Any], ...], place: tuple[Any, ...]
) -> Iterator[ColumnElement[bool]]:
    return (column == value for column, value in zip(order, place, strict=True))


def _conditions(filters: Filters) -> Iterator[ColumnElement[bool]]:
    log = audit_entry.c
    for name in ("tenant", "actor", "on_behalf_of"):
        if value := getattr(filters, name):
            yield log[name] == value
    if filters.action_prefix:
        yield log.action >= filters.action_prefix
        yield log.action < filters.action_prefix + _AFTER_Z
    if filters.start is not None:
        yield log.at >= filters.start
    if filters.end is not None:
        yield log.at < filters.end
    if filters.outcome == REFUSED:
        yield log.outcome != DONE
    elif filters.outcome:
        yield log.outcome == filters.outcome


def _within(
    connection: Connection, filters: Filters, revisions: Revisions
) -> Iterator[ColumnElement[bool]]:
    """Bound the revisions, also by those that the times leave: so no index is read to its end."""
    log = audit_entry.c
    after, until = revisions.after, revisions.until
    if filters.start is not None:
        after = max(after, change_log.revision_at(connection, filters.start - 1) or 0)
    if after:
        yield log.revision > after
    if until:
        yield log.revision <= until
    if filters.end is not None:
        yield log.revision <= (change_log.revision_at(connection, filters.end - 1) or 0)


def newest_sealed(
    connection: Connection, tenant: str, at_most: int
) -> tuple[tuple[int, str], list[tuple[int, str, str]]]:
    """Read a chain's newest entries as (seq, entry, hash), oldest first.

    Before them stand the seq and the hash of the entry that they follow.
    """
    row = audit_entry.c
    query = select(row.seq, row.entry, row.hash).where(row.tenant == tenant)
    newest = connection.execute(query.order_by(row.seq.desc()).limit(at_most + 1))
    sealed = [(int(seq), str(entry), str(digest)) for seq, entry, digest in newest][::-1]
    if len(sealed) <= at_most:
        return (0, GENESIS), sealed
    (seq, _, digest), *rest = sealed
    return (seq, digest), rest
