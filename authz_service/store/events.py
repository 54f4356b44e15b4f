"""Events as they are kept, and the subjects that are known. Written in the transaction of what
they do, so a crash leaves both or neither.
"""

import json
from collections import namedtuple
from collections.abc import Sequence
from dataclasses import replace as renumbered
from typing import Any, Final, NamedTuple

from pydantic import TypeAdapter
from sqlalchemy import (
    ColumnElement,
    Connection,
    Select,
    bindparam,
    delete,
    func,
    insert,
    literal,
    or_,
    select,
    update,
)
from sqlalchemy.dialects import postgresql

from authz_service.domain.billing_event import (
    EventReason,
    EventState,
    Intake,
    Passed,
    ReceivedEvent,
    StoredEvent,
)
from authz_service.domain.window import Instant
from authz_service.store import schema
from authz_service.store.statement import Statement

_PASSAGE: Final = TypeAdapter(tuple[Passed, ...])

_CONTRACTS: Final = 0x636F6E74
"""The space of advisory locks that contracts of tenants are held by."""


class Counted(NamedTuple):
    """What of an event makes its tenant's contract."""

    number: int
    name: tuple[str, str]
    state: EventState
    reason: EventReason
    meaning: str


event = schema.event
_subject = schema.event_subject

# What every event needs is compiled once: see store/statement.py.
_Row: Final = namedtuple("_Row", event.c.keys())  # type: ignore[misc] # the table names them
_BY_NAME: Final = select(event).where(
    event.c.source == bindparam("of"), event.c.event_id == bindparam("called")
)
_FIND: Final = Statement(_BY_NAME)
_FIND_TO_CHANGE: Final = Statement(_BY_NAME.with_for_update())
_OF_TENANT: Final = Statement(
    select(*(event.c[name] for name in ("number", "source", "event_id", "state", "reason")))
    .add_columns(event.c.meaning)
    .where(event.c.tenant == bindparam("of"), event.c.meaning != "")
    .where(event.c.state != EventState.DEAD.value, event.c.state != EventState.RECEIVED.value)
)
_WRITTEN: Final = tuple(each.name for each in event.c if each.name != "number")
# SQLite understands what SQLAlchemy has only PostgreSQL say.
_KEEP: Final = Statement(
    postgresql.insert(event)
    .values({name: bindparam(name) for name in _WRITTEN})
    .on_conflict_do_nothing()
    .returning(event.c.number)
)
_REPLACE: Final = Statement(
    update(event)
    .where(event.c.number == bindparam("of"))
    .values({name: bindparam(f"to_{name}") for name in _WRITTEN})
)
_TENANT: Final = Statement(
    select(_subject.c.tenant).where(
        _subject.c.source == bindparam("of"), _subject.c.subject == bindparam("called")
    )
)
_RUNNING: Final = Statement(
    select(schema.running_contract.c.body, schema.running_contract.c.waiting).where(
        schema.running_contract.c.tenant == bindparam("of")
    )
)
_KEEP_RUNNING: Final = Statement(
    postgresql.insert(schema.running_contract)
    .values(tenant=bindparam("of"), body=bindparam("to_body"), waiting=bindparam("to_waiting"))
    .on_conflict_do_update(
        index_elements=["tenant"],
        set_={"body": bindparam("to_body"), "waiting": bindparam("to_waiting")},
    )
)
_INTAKE: Final = Statement(
    select(
        schema.intake.c.paused,
        schema.intake.c.reason,
        schema.intake.c.breaker_opened_at,
        schema.intake.c.counted_from,
    )
)


def find(connection: Connection, source: str, event_id: str) -> StoredEvent | None:
    """Find an event by its name; None if it never came."""
    row = _FIND.one(connection, {"of": source, "called": event_id})
    return None if row is None else _stored(_Row(*row))


def find_to_change(connection: Connection, source: str, event_id: str) -> StoredEvent | None:
    """Find an event that nobody else changes before this transaction ends; None as for `find`."""
    row = _FIND_TO_CHANGE.one(connection, {"of": source, "called": event_id})
    return None if row is None else _stored(_Row(*row))


def hold(connection: Connection, tenant: str) -> None:
    """Let nobody else add to a tenant's contract before this transaction ends.

    It is asked for after the head, never before. SQLite has one writer anyway.
    """
    if connection.dialect.name == "postgresql":
        cursor = connection.connection.cursor()
        cursor.execute("SELECT pg_advisory_xact_lock(%s, hashtext(%s))", (_CONTRACTS, tenant))
        cursor.close()


def of_tenant(connection: Connection, tenant: str) -> list[Counted]:
    """List a tenant's events that mean something and count or wait; in no order."""
    return [
        Counted(row[0], (row[1], row[2]), EventState(row[3]), EventReason(row[4]), row[5])
        for row in _OF_TENANT.all(connection, {"of": tenant})
    ]


def received(connection: Connection, before: Instant, at_most: int) -> list[StoredEvent]:
    """List events that were received before an instant and are not done yet, oldest first."""
    return read_events(
        connection,
        select(event)
        .where(event.c.state == EventState.RECEIVED.value, event.c.received_at < before)
        .order_by(event.c.number)
        .limit(at_most),
    )


def of_subject(connection: Connection, source: str, subject: str) -> list[StoredEvent]:
    """List the events that wait for a subject to be known, oldest first."""
    return read_events(
        connection,
        select(event)
        .where(event.c.source == source, event.c.subject == subject)
        .where(event.c.state == EventState.PARKED.value)
        .where(event.c.reason == EventReason.UNKNOWN_SUBJECT.value)
        .order_by(event.c.number)
        .with_for_update(),
    )


def not_understood(
    connection: Connection, source: str, after: int, at_most: int
) -> list[StoredEvent]:
    """List events of a source that the policy could not make out, oldest first, after a number."""
    reasons = (EventReason.UNKNOWN_TYPE, EventReason.UNKNOWN_STATUS, EventReason.MALFORMED)
    query = _parked(select(event), reasons).where(event.c.source == source)
    query = query.where(event.c.number > after).order_by(event.c.number).limit(at_most)
    return read_events(connection, query.with_for_update())


def parked(
    connection: Connection, reasons: Sequence[EventReason], at_most: int
) -> list[StoredEvent]:
    """List up to so many events that are parked for one of the reasons, oldest first."""
    return read_events(
        connection,
        _parked(select(event), reasons).order_by(event.c.number).limit(at_most).with_for_update(),
    )


def count_parked(connection: Connection, reasons: Sequence[EventReason]) -> int:
    query = _parked(select(func.count()).select_from(event), reasons)
    return int(connection.execute(query).scalar_one())


def page(
    connection: Connection, after: int, at_most: int, *conditions: ColumnElement[bool]
) -> list[StoredEvent]:
    """List events in the order in which they came in, without their data, those after a number."""
    newer = (event.c.number > after, *conditions)
    columns = (literal("{}").label(c.name) if c is event.c.data else c for c in event.c)
    query = select(*columns).where(*newer).order_by(event.c.number).limit(at_most)
    return read_events(connection, query)


def closed_since(connection: Connection, since: Instant) -> set[str]:
    """Name the tenants that events have closed after an instant."""
    query = select(event.c.tenant).where(event.c.closing_at > since).distinct()
    return set(connection.execute(query).scalars())


def tenants_of(connection: Connection, source: str, after: str, at_most: int) -> list[str]:
    """Name tenants that a source ("" for any) has told of, in order, those after `after`."""
    query = select(event.c.tenant).where(event.c.tenant > after, event.c.meaning != "").distinct()
    if source:
        query = query.where(event.c.source == source)
    return list(connection.execute(query.order_by(event.c.tenant).limit(at_most)).scalars())


def keep(connection: Connection, stored: StoredEvent) -> StoredEvent | None:
    """Keep a new event. Return it with its number; None if it has just come on another way."""
    row = _KEEP.one(connection, _values(stored))
    return None if row is None else renumbered(stored, number=int(row[0]))


def replace(connection: Connection, stored: StoredEvent) -> None:
    """Keep what has become of an event."""
    values = {f"to_{name}": value for name, value in _values(stored).items()}
    _REPLACE.run(connection, [{"of": stored.number, **values}])


def tenant_of_subject(connection: Connection, source: str, subject: str) -> str:
    """Name the tenant that a source means by a subject; "" if nobody has said."""
    row = _TENANT.one(connection, {"of": source, "called": subject})
    return str(row[0]) if row is not None else ""


def subjects_of(connection: Connection, tenant: str) -> tuple[tuple[str, str], ...]:
    """Name what sources call a tenant: each source with the subject, in order."""
    query = select(_subject.c.source, _subject.c.subject).where(_subject.c.tenant == tenant)
    rows = connection.execute(query.order_by(_subject.c.source, _subject.c.subject))
    return tuple((row[0], row[1]) for row in rows)


def count_waiting(connection: Connection, tenant: str) -> int:
    """Count parked events about a tenant, also those that name it by a subject alone."""
    known = select(_subject.c.tenant).where(
        _subject.c.source == event.c.source, _subject.c.subject == event.c.subject
    )
    about = or_(event.c.tenant == tenant, known.scalar_subquery() == tenant)
    query = select(func.count()).where(event.c.state == EventState.PARKED.value, about)
    return int(connection.execute(query).scalar_one())


def map_subject(
    connection: Connection, source: str, subject: str, tenant: str, at: Instant
) -> None:
    """Say which tenant a source means by a subject, in place of any that was said before."""
    same = (_subject.c.source == source, _subject.c.subject == subject)
    values = {"source": source, "subject": subject, "tenant": tenant, "at": at}
    if connection.execute(update(_subject).where(*same).values(values)).rowcount == 0:
        connection.execute(insert(_subject).values(values))


def running_contract(connection: Connection, tenant: str) -> tuple[str, bool] | None:
    """Read what is kept to add an event, and whether events wait; None: read all of them."""
    row = _RUNNING.one(connection, {"of": tenant})
    return None if row is None else (str(row[0]), bool(row[1]))


def keep_running_contract(connection: Connection, tenant: str, body: str, waiting: bool) -> None:
    _KEEP_RUNNING.run(connection, [{"of": tenant, "to_body": body, "to_waiting": waiting}])


def forget_running_contract(connection: Connection, tenant: str) -> None:
    """Let all events be read once again, because one counts no more."""
    same = schema.running_contract.c.tenant == tenant
    connection.execute(delete(schema.running_contract).where(same))


def intake(connection: Connection) -> Intake:
    """Read whether events are taken in."""
    row = _INTAKE.one(connection, {})
    return Intake() if row is None else Intake(bool(row[0]), *row[1:])


def set_intake(connection: Connection, command: Intake) -> None:
    values = {
        "paused": command.paused,
        "reason": command.reason,
        "breaker_opened_at": command.breaker_opened_at,
        "counted_from": command.counted_from,
    }
    if connection.execute(update(schema.intake).values(values)).rowcount == 0:
        connection.execute(insert(schema.intake).values({"id": 1, **values}))


def _parked(query: Select[Any], reasons: Sequence[EventReason]) -> Select[Any]:
    of_reasons = event.c.reason.in_([reason.value for reason in reasons])
    return query.where(event.c.state == EventState.PARKED.value, of_reasons)


def read_events(connection: Connection, query: Select[Any]) -> list[StoredEvent]:
    return [_stored(row) for row in connection.execute(query)]


def _stored(row: Any) -> StoredEvent:
    return StoredEvent(
        event=ReceivedEvent(
            row.source, row.event_id, row.type, row.time, row.subject, json.loads(row.data)
        ),
        received_at=row.received_at,
        state=EventState(row.state),
        reason=EventReason(row.reason),
        message=row.message,
        tenant=row.tenant,
        meaning=row.meaning,
        revision=row.revision,
        closing_at=row.closing_at,
        deliveries=row.deliveries,
        passage=_PASSAGE.validate_json(row.passage),
        number=row.number,
        waits_for=row.waits_for,
    )


def _values(stored: StoredEvent) -> dict[str, Any]:
    incoming = stored.event
    return {
        "source": incoming.source,
        "event_id": incoming.id,
        "type": incoming.type,
        "time": incoming.time,
        "subject": incoming.subject,
        # In ASCII: PostgreSQL keeps no NUL and no lone surrogate, which JSON may escape.
        "data": json.dumps(incoming.data),
        "received_at": stored.received_at,
        "state": stored.state.value,
        "reason": stored.reason.value,
        "message": stored.message,
        "tenant": stored.tenant,
        "meaning": stored.meaning,
        "revision": stored.revision,
        "closing_at": stored.closing_at,
        "deliveries": stored.deliveries,
        "passage": _PASSAGE.dump_json(stored.passage).decode(),
        "waits_for": stored.waits_for,
    }
