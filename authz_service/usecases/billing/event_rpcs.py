"""What callers ask of the intake: bring an event, try it, look it up, do it again, hold it up."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace

from authz_service.domain.audit import Actor
from authz_service.domain.billing_event import (
    RELEASED_BY_RESUMING,
    EventReason,
    EventState,
    Intake,
    Passed,
    Stage,
    StoredEvent,
    passed,
)
from authz_service.domain.billing_policy import BillingPolicy, Source
from authz_service.domain.call import Call
from authz_service.domain.identifiers import checked
from authz_service.domain.tenant import SYSTEM
from authz_service.domain.window import Instant
from authz_service.engine.index import Index
from authz_service.errors import (
    AlreadyExists,
    ErrorReason,
    FailedPrecondition,
    InvalidArgument,
    NotFound,
)
from authz_service.store import events as store
from authz_service.store.database import Connection
from authz_service.store.unit_of_work import Store, Transaction
from authz_service.usecases.billing import circuit_breaker, ingestion
from authz_service.usecases.billing.envelopes import (
    NO_ATTRIBUTES,
    Attributes,
    Envelope,
    envelopes,
)
from authz_service.usecases.billing.ingestion import Taken
from authz_service.usecases.kernel import paging, preconditions
from authz_service.usecases.kernel.execution import View, change, read
from authz_service.usecases.kernel.paging import Page, PageRequest

MAX_DATA = 1024 * 1024
"""Bytes of an event's data."""

RELEASED_AT_ONCE = 500
"""Events that one call of ResumeIntake releases."""

_MOST_NAME = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class IngestBillingEvent:
    """`beside` are attributes that came beside the data; the others are read from it."""

    policy: BillingPolicy
    source: str
    data: bytes
    beside: Attributes = NO_ATTRIBUTES
    tenant: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class OneEvent:
    policy: BillingPolicy
    source: str
    id: str
    tenant: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ListBillingEvents:
    """None and "" stand for any."""

    page: PageRequest
    source: str = ""
    tenant: str = ""
    state: EventState | None = None
    reason: EventReason | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class MapSubject:
    """`to` is the tenant; `replace` lets it take the place of another.

    It takes the right for all tenants: who may map to one could take the events of another.
    """

    policy: BillingPolicy
    source: str
    subject: str
    to: str
    replace: bool = False
    tenant: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class OfIntake:
    policy: BillingPolicy
    tenant: str = ""


@dataclass(frozen=True, slots=True)
class IntakeNow:
    """Whether events are taken in, and how many are held up, or parked for another reason."""

    intake: Intake
    held_up: int
    parked: int
    closed: int = 0
    allowed: int = 0


@dataclass(frozen=True, slots=True)
class Resumed:
    intake: IntakeNow
    released: int


class EventDoor:
    """Takes in events whose source was proved by their signature, each in its transaction."""

    def __init__(
        self, store_: Store, policy: Callable[[], BillingPolicy], counts: "Counter[str]"
    ) -> None:
        self._store = store_
        self.policy = policy
        self.counts = counts

    def take(self, envelope: Envelope, how: str, address: str) -> Taken:
        """Take in one event; on return it is committed. Raises: Unavailable."""
        actor = Actor(f"source:{envelope.event.source}", source_address=address)
        with self._store.transaction(Call(actor)) as tx:
            take_in = ingestion.take_in(tx, self.policy(), envelope, how)
        count(self.counts, take_in)
        return take_in


def count(counts: "Counter[str]", used: Taken) -> None:
    """Count what became of an event: `applied`, `duplicate`, or `parked` with its reason."""
    value = used.event.state.value
    if used.event.state is EventState.PARKED:
        value = f"parked {used.event.reason.value}"
    counts["duplicate" if used.duplicate else value] += 1


@change
def ingest_billing_event(tx: Transaction, command: IngestBillingEvent) -> Taken:
    return ingestion.take_in(
        tx, command.policy, enveloped(command), f"sent by {tx.call.actor.subject}"
    )


@change
def replay_billing_event(tx: Transaction, command: OneEvent) -> Taken:
    """Read an event again, by the policy of now. Neither pause nor breaker holds it up."""
    stored = _find(tx.connection, command)
    ingestion.note(tx, "event.replayed", stored.tenant, _name(command))
    return ingestion.replayed(tx, command.policy, stored)


@change
def discard_billing_event(tx: Transaction, command: OneEvent) -> Taken:
    """Give up a parked event: it counts for nothing any more, unless it is replayed."""
    stored = _find(tx.connection, command)
    if stored.state is not EventState.PARKED:
        raise FailedPrecondition(
            ErrorReason.BILLING_EVENT_STATE_CONFLICT,
            f"the event is {stored.state}, and only a parked one can be discarded; what was "
            "applied is changed by a later event",
            field="id",
            details={"state": stored.state.value},
        )
    step = Passed(Stage.DEAD, tx.now, EventReason.DISCARDED, tx.call.reason)
    given_up = passed(stored, step)
    store.replace(tx.connection, given_up)
    store.forget_running_contract(tx.connection, stored.tenant)
    ingestion.note(tx, "event.discarded", stored.tenant, _name(command), was=stored.reason.value)
    return Taken(given_up)


@change
def map_subject(tx: Transaction, command: MapSubject) -> tuple[Taken, ...]:
    """Say which tenant a source means by a subject, and do what waited for that."""
    _source(command.policy, command.source)
    tenant = checked("tenant", command.to)
    if tenant == SYSTEM:
        preconditions.customer(tx.index, tenant)
    preconditions.text(command.subject, "subject", at_most=_MOST_NAME, required=True)
    tenant_of_subject = store.tenant_of_subject(tx.connection, command.source, command.subject)
    if tenant_of_subject not in ("", tenant) and not command.replace:
        raise AlreadyExists(
            ErrorReason.EVENT_SUBJECT_MAPPED,
            f"{command.source} means tenant {tenant_of_subject!r} by it; set `replace` to map "
            "it anew",
            field="subject",
            details={"tenant": tenant_of_subject},
        )
    store.map_subject(tx.connection, command.source, command.subject, tenant, tx.now)
    target = f"{command.source}/{command.subject}"
    ingestion.note(tx, "event_subject.mapped", "", target, mapped_to=tenant, was=tenant_of_subject)
    waiting = store.of_subject(tx.connection, command.source, command.subject)
    return tuple(ingestion.process(tx, command.policy, waiting))


@change
def pause_intake(tx: Transaction, command: OfIntake) -> IntakeNow:
    """Park every event that comes until the intake is resumed. Deliveries are still taken."""
    now = store.intake(tx.connection)
    store.set_intake(tx.connection, replace(now, paused=True, reason=tx.call.reason))
    ingestion.note(tx, "intake.paused", "", "intake")
    return _intake(tx.connection, tx.index, tx.now, command.policy)


@change
def resume_intake(tx: Transaction, command: OfIntake) -> Resumed:
    """Take events in again, close the breaker, and do what was held up, oldest first."""
    store.set_intake(tx.connection, Intake(counted_from=tx.now))
    ingestion.note(tx, "intake.resumed", "", "intake")
    events = ingestion.release(tx, command.policy, RELEASED_BY_RESUMING, RELEASED_AT_ONCE)
    return Resumed(_intake(tx.connection, tx.index, tx.now, command.policy), len(events))


@read
def get_intake(view: View, query: OfIntake) -> IntakeNow:
    with view.database.read() as connection:
        return _intake(connection, view.index, view.now, query.policy)


@read
def get_billing_event(view: View, query: OneEvent) -> StoredEvent:
    with view.database.read() as connection:
        return _find(connection, query)


@read
def list_billing_events(view: View, query: ListBillingEvents) -> Page[StoredEvent]:
    """List events in the order in which they came in."""
    for name in ("source", "tenant"):
        preconditions.text(getattr(query, name), name, at_most=_MOST_NAME)
    state, reason = query.state or "", query.reason or ""
    filters = ["events", query.source, query.tenant, state, reason]
    size, after = paging.size(query.page), paging.start(query.page, filters)
    if after and not after.isdecimal():
        raise paging.bad_token()
    wishes = {"source": query.source, "tenant": query.tenant, "state": state, "reason": reason}
    conditions = [store.event.c[name] == value for name, value in wishes.items() if value]
    with view.database.read() as connection:
        events = store.page(connection, int(after or 0), size + 1, *conditions)
    return paging.cut(events, lambda event: str(event.number), size, filters)


def _intake(connection: Connection, index: Index, now: Instant, policy: BillingPolicy) -> IntakeNow:
    intake = store.intake(connection)
    since = circuit_breaker.counted_since(intake, policy, now)
    return IntakeNow(
        intake,
        held_up=store.count_parked(connection, tuple(RELEASED_BY_RESUMING)),
        parked=store.count_parked(connection, tuple(EventReason)),
        closed=len(store.closed_since(connection, since)),
        allowed=circuit_breaker.allowed(index, policy),
    )


def enveloped(command: IngestBillingEvent) -> Envelope:
    """Read the one event that a call brings. Raises: EVENT_SOURCE_NOT_FOUND, INVALID_FIELD."""
    source = _source(command.policy, command.source)
    if len(command.data) > MAX_DATA:
        raise _wrong(f"the data has more than {MAX_DATA:,} bytes", "data")
    for name in ("id", "type", "subject"):
        value: str = getattr(command.beside, name)
        if len(value) > _MOST_NAME or (value and not value.isprintable()):
            raise _wrong(f"{name} has more than {_MOST_NAME} or unprintable characters", name)
    matches = envelopes(source, command.data, command.beside)
    if len(matches) != 1:
        raise _wrong("the data is a list; send one event a call", "data")
    return matches[0]


def _source(policy: BillingPolicy, name: str) -> Source:
    source = policy.sources.get(name)
    if source is None:
        raise NotFound(
            ErrorReason.EVENT_SOURCE_NOT_FOUND,
            f"billing.yaml declares no source {name[:100]!r}; it declares "
            f"{', '.join(sorted(policy.sources)) or 'none'}",
            field="source",
        )
    return source


def _find(connection: Connection, command: OneEvent) -> StoredEvent:
    """Raises: EVENT_NOT_FOUND, or INVALID_FIELD for what no event can be called."""
    for name in ("source", "id"):
        preconditions.text(getattr(command, name), name, at_most=_MOST_NAME)
    stored = store.find(connection, command.source, command.id)
    if stored is None:
        raise NotFound(
            ErrorReason.EVENT_NOT_FOUND,
            f"no event {command.id[:100]!r} came from {command.source[:100]!r}; list the events",
            field="id",
        )
    return stored


def _name(command: OneEvent) -> str:
    return f"{command.source}/{command.id}"


def _wrong(message: str, field: str) -> InvalidArgument:
    return InvalidArgument(ErrorReason.INVALID_FIELD, message, field=field)
