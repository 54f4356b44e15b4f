"""Reading the audit: entries as they were sealed, and the changes that they explain."""

from collections.abc import Collection, Generator, Iterator
from dataclasses import dataclass
from typing import Final

from sqlalchemy import ColumnElement, Connection, and_, func, not_, or_, select

from authz_service.domain.audit import DONE, AuditEntry
from authz_service.domain.change import Delta, Revision
from authz_service.domain.window import Instant
from authz_service.store import deltas
from authz_service.store.schema import audit_entry, change_log

REFUSED: Final = "refused"
"""As an outcome asked for: whatever was refused, for any reason."""

_CHANGED: Final = not_(audit_entry.c.action.contains(":"))
"""What changed something is named `role.granted`; reads and refusals by the right: `roles:put`."""

_AT_ONCE: Final = {"yield_per": 1000}


@dataclass(frozen=True, slots=True)
class Filters:
    """Which entries: "" and None in any filter let all through; times are a half-open window."""

    tenant: str = ""
    actor: str = ""
    action: str = ""
    outcome: str = ""
    start: Instant | None = None
    end: Instant | None = None
    newest_first: bool = False


@dataclass(frozen=True, slots=True)
class Place:
    """A place in a listing: after this entry, and in the chain `bounded` not beyond `bound`."""

    tenant: str
    seq: int
    bounded: str
    bound: int


def tail(connection: Connection, tenant: str) -> int:
    """Read the number of a chain's last entry; 0 if it is empty."""
    query = select(func.max(audit_entry.c.seq)).where(audit_entry.c.tenant == tenant)
    return connection.execute(query).scalar_one() or 0


def entries(
    connection: Connection, filters: Filters, at_most: int, place: Place
) -> list[AuditEntry]:
    """Read entries by tenant and number, those after the place alone."""
    log = audit_entry.c
    last = log.seq.desc() if filters.newest_first else log.seq
    passed = log.seq < place.seq if filters.newest_first else log.seq > place.seq
    query = (
        select(audit_entry)
        .where(*_conditions(filters), or_(log.tenant != place.bounded, log.seq <= place.bound))
        .order_by(log.tenant, last)
        .limit(at_most)
    )
    if place.tenant:
        query = query.where(
            or_(log.tenant > place.tenant, and_(log.tenant == place.tenant, passed))
        )
    return [AuditEntry(*row) for row in connection.execute(query)]


def chain(connection: Connection, tenant: str, first: int) -> Generator[AuditEntry, None, None]:
    """Iterate over a chain from the entry `first` on."""
    log = audit_entry.c
    query = select(audit_entry).where(log.tenant == tenant, log.seq >= first).order_by(log.seq)
    with connection.execute(query, execution_options=_AT_ONCE) as found:
        for row in found:
            yield AuditEntry(*row)


def deltas_of(
    connection: Connection, tenant: str, first: Revision, last: Revision
) -> Generator[Delta, None, None]:
    """Iterate over what the revisions from `first` to `last` changed, as far as the tenant's chain
    tells of any of it. INVARIANT: whatever changes a tenant's facts says so in that tenant's chain.
    """
    log, entry = change_log.c, audit_entry.c
    told = select(entry.revision).where(entry.tenant == tenant, _CHANGED)
    told = told.where(entry.revision.between(first, last))
    query = select(log.revision, log.delta, log.at).where(log.revision.in_(told))
    query = query.order_by(log.revision)
    with connection.execute(query, execution_options=_AT_ONCE) as found:
        for number, delta, at in found:
            yield deltas.read(number, delta, at)


def explanations(
    connection: Connection, tenant: str, revisions: Collection[Revision]
) -> list[AuditEntry]:
    """Read the entries of a chain that tell of changes made in the revisions, oldest first."""
    log = audit_entry.c
    query = select(audit_entry).where(log.tenant == tenant, log.revision.in_(revisions), _CHANGED)
    return [AuditEntry(*row) for row in connection.execute(query.order_by(log.seq))]


def _conditions(filters: Filters) -> Iterator[ColumnElement[bool]]:
    log = audit_entry.c
    if filters.tenant:
        yield log.tenant == filters.tenant
    if filters.actor:
        yield log.actor == filters.actor
    if filters.action:
        yield log.action == filters.action
    if filters.start is not None:
        yield log.at >= filters.start
    if filters.end is not None:
        yield log.at < filters.end
    if filters.outcome == REFUSED:
        yield not_(_ended(DONE))
    elif filters.outcome:
        yield _ended(filters.outcome)


def _ended(outcome: str) -> ColumnElement[bool]:
    """Tell of an entry how it ended, by its canonical form: these keys are neighbours at the top
    level, and in a text the quotes would be escaped.
    """
    return audit_entry.c.entry.contains(f'"outcome":"{outcome}","prev_hash":"', autoescape=True)
