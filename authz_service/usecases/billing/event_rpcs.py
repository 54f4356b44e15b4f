"""Billing events that are stored: look them up, replay or discard them, map their subjects."""

from dataclasses import dataclass

from authz_service.domain.billing_event import (
    EventReason,
    EventState,
    Passed,
    Stage,
    StoredEvent,
    passed,
)
from authz_service.domain.identifiers import checked
from authz_service.domain.tenant import SYSTEM
from authz_service.errors import AlreadyExists, ErrorReason, FailedPrecondition, NotFound
from authz_service.store import events as store
from authz_service.store.database import Connection
from authz_service.store.unit_of_work import Transaction
from authz_service.usecases.billing import ingestion, receipt
from authz_service.usecases.billing.event_ingest import MOST_NAME, declared_source
from authz_service.usecases.billing.ingestion import Taken
from authz_service.usecases.kernel import paging, preconditions
from authz_service.usecases.kernel.billing_policy import in_force
from authz_service.usecases.kernel.execution import View, change, read
from authz_service.usecases.kernel.paging import Page, PageRequest


@dataclass(frozen=True, slots=True, kw_only=True)
class OneEvent:
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

    source: str
    subject: str
    to: str
    replace: bool = False
    tenant: str = ""


@change
def replay_billing_event(tx: Transaction, command: OneEvent) -> Taken:
    """Read an event again, by the policy of now. Neither pause nor breaker holds it up."""
    stored = _find(tx.connection, command)
    ingestion.note(tx, "event.replayed", stored.tenant, _name(command))
    return receipt.replayed(tx, in_force(tx.index), stored)


@change
def discard_billing_event(tx: Transaction, command: OneEvent) -> Taken:
    """Give up a parked event: it counts for nothing any more, unless it is replayed."""
    store.hold(tx.connection, _find(tx.connection, command).tenant)
    stored = _find(tx.connection, command)
    if stored.state is not EventState.PARKED:
        raise FailedPrecondition(
            ErrorReason.EVENT_STATE_CONFLICT,
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
    policy = in_force(tx.index)
    declared_source(policy, command.source)
    tenant = checked("tenant", command.to)
    if tenant == SYSTEM:
        preconditions.customer(tx.index, tenant)
    preconditions.text(command.subject, "subject", at_most=MOST_NAME, required=True)
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
    return tuple(ingestion.process(tx, policy, waiting))


@read
def get_billing_event(view: View, query: OneEvent) -> StoredEvent:
    with view.database.read() as connection:
        return _find(connection, query)


@read
def list_billing_events(view: View, query: ListBillingEvents) -> Page[StoredEvent]:
    """List events in the order in which they came in."""
    for name in ("source", "tenant"):
        preconditions.text(getattr(query, name), name, at_most=MOST_NAME)
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


def _find(connection: Connection, command: OneEvent) -> StoredEvent:
    """Raises: EVENT_NOT_FOUND, or INVALID_FIELD for what no event can be called."""
    for name in ("source", "id"):
        preconditions.text(getattr(command, name), name, at_most=MOST_NAME)
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
