"""Bringing a billing event: by a call, or by a request that its source has signed."""

from collections import Counter
from dataclasses import dataclass, replace
from typing import Final

import structlog

from authz_service.domain.audit import Actor
from authz_service.domain.billing_event import EventState, StoredEvent
from authz_service.domain.billing_policy import SECOND, BillingPolicy, Source
from authz_service.domain.call import Call
from authz_service.errors import ErrorReason, InvalidArgument, NotFound, Unavailable
from authz_service.store import events, policy_versions
from authz_service.store.unit_of_work import Store, Transaction
from authz_service.usecases.billing import policy_release, receipt
from authz_service.usecases.billing.envelopes import NO_ATTRIBUTES, Attributes, Envelope, envelopes
from authz_service.usecases.billing.ingestion import Taken
from authz_service.usecases.billing.interpretation import Reading
from authz_service.usecases.billing.values import Unreadable
from authz_service.usecases.kernel.billing_policy import in_force
from authz_service.usecases.kernel.execution import Begun, change_begun

MAX_DATA = 1024 * 1024
"""Bytes of an event's data."""

MOST_NAME = 200

_PATIENCE: Final = 2.0
"""Seconds that the sender of an event waits for what it says to be done, once it is kept."""

_LATE: Final = 10 * SECOND
_AT_ONCE: Final = 100

log = structlog.get_logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class IngestBillingEvent:
    """`beside` are attributes that came beside the data; the others are read from it.

    `kept` is the event once it is kept, and has only to be folded in.
    """

    source: str
    data: bytes
    beside: Attributes = NO_ATTRIBUTES
    tenant: str = ""
    kept: StoredEvent | None = None


class SourceChanged(Exception):
    """What the billing policy says of a source has changed; `policy` is the one in force."""

    def __init__(self, policy: BillingPolicy) -> None:
        super().__init__("the source of an event has changed")
        self.policy = policy


class EventDoor:
    """Takes in events whose source was proved by their signature, each in its transaction."""

    def __init__(self, store_: Store, counts: "Counter[str]") -> None:
        self._store = store_
        self.counts = counts

    def take(self, envelope: Envelope, source: Source, how: str, address: str) -> Taken:
        """Take in one event of a source; on return it is committed.

        Raises:
            SourceChanged: the source is another one by now than the one that verified the event.
            Unavailable: the database does not answer.
        """
        call = Call(Actor(f"source:{source.name}", source_address=address))
        policy = in_force(self._store.index)
        reading = receipt.attempt(policy, envelope, self._store.now())
        taken: Taken | None = None
        with self._store.aside(call) as tx:
            if policy_versions.in_step(tx.connection, tx.index.revision):
                if _by_same(tx, source) is not policy:
                    policy = in_force(tx.index)
                    reading = receipt.attempt(policy, envelope, tx.now)
                taken = receipt.receive(tx, policy, envelope, reading, how)
        if taken is None:  # another process has just changed the policy
            with self._store.transaction(call) as tx:
                taken = receipt.take_in(tx, _by_same(tx, source), envelope, how)
        elif taken.event.state is EventState.RECEIVED:
            taken = self._folded_in(call, policy, taken, reading)
        count(self.counts, taken)
        return taken

    def fold_in_late(self) -> int:
        """Do what events say that were received and no more; return how many there were."""
        with self._store.database.read() as connection:
            late = events.received(connection, self._store.now() - _LATE, _AT_ONCE)
        for stored in late:
            call = Call(Actor(f"source:{stored.event.source}"))
            with self._store.transaction(call) as tx:
                taken = receipt.fold_in(tx, in_force(tx.index), stored)
            count(self.counts, taken)
        return len(late)

    def release_mapped(self) -> int:
        """Do what events say whose prices have been mapped by now; return how many there were."""
        return policy_release.release_mapped(self._store, Actor("service:authz"))

    def _folded_in(
        self, call: Call, policy: BillingPolicy, taken: Taken, reading: Reading | Unreadable
    ) -> Taken:
        """Do what a received event says, unless other changes are ahead of it for too long."""
        try:
            with self._store.transaction(call, patience=_PATIENCE) as tx:
                current = in_force(tx.index)
                same = reading if current is policy else None
                return receipt.fold_in(tx, current, taken.event, same)
        except Unavailable as error:
            log.warning("an event is done later", id=taken.event.event.id, why=str(error))
            return taken


def _by_same(tx: Transaction, source: Source) -> BillingPolicy:
    """Give the policy in force. Raises: SourceChanged, if it has another source of that name."""
    policy = in_force(tx.index)
    if policy.sources.get(source.name) != source:
        raise SourceChanged(policy)
    return policy


def count(counts: "Counter[str]", used: Taken) -> None:
    """Count what became of an event: `applied`, `duplicate`, or `parked` with its reason."""
    value = used.event.state.value
    if used.event.state is EventState.PARKED:
        value = f"parked {used.event.reason.value}"
    counts["duplicate" if used.duplicate else value] += 1


def keep_event(
    tx: Transaction, command: IngestBillingEvent
) -> Begun[IngestBillingEvent, Taken] | None:
    """Keep an event aside from the head; None if another process has just changed the policy."""
    if not policy_versions.in_step(tx.connection, tx.index.revision):
        return None
    policy = in_force(tx.index)
    envelope = enveloped(policy, command)
    reading = receipt.attempt(policy, envelope, tx.now)
    taken = receipt.receive(tx, policy, envelope, reading, _sent(tx))
    if taken.event.state is not EventState.RECEIVED:
        return Begun(taken)
    return Begun(taken, replace(command, kept=taken.event))


@change_begun(keep_event)
def ingest_billing_event(tx: Transaction, command: IngestBillingEvent) -> Taken:
    policy = in_force(tx.index)
    if command.kept is not None:
        return receipt.fold_in(tx, policy, command.kept)
    return receipt.take_in(tx, policy, enveloped(policy, command), _sent(tx))


def _sent(tx: Transaction) -> str:
    return f"sent by {tx.call.actor.subject}"


def enveloped(policy: BillingPolicy, command: IngestBillingEvent) -> Envelope:
    """Read the one event that a call brings. Raises: EVENT_SOURCE_NOT_FOUND, INVALID_FIELD."""
    source = declared_source(policy, command.source)
    if len(command.data) > MAX_DATA:
        raise invalid(f"the data has more than {MAX_DATA:,} bytes", "data")
    for name in ("id", "type", "subject"):
        value: str = getattr(command.beside, name)
        if len(value) > MOST_NAME or (value and not value.isprintable()):
            raise invalid(f"{name} has more than {MOST_NAME} or unprintable characters", name)
    matches = envelopes(source, command.data, command.beside)
    if len(matches) != 1:
        raise invalid("the data is a list; send one event a call", "data")
    return matches[0]


def declared_source(policy: BillingPolicy, name: str) -> Source:
    source = policy.sources.get(name)
    if source is None:
        raise NotFound(
            ErrorReason.EVENT_SOURCE_NOT_FOUND,
            f"the billing policy has no source {name[:100]!r}; it has "
            f"{', '.join(sorted(policy.sources)) or 'none'}",
            field="source",
        )
    return source


def invalid(message: str, field: str) -> InvalidArgument:
    return InvalidArgument(ErrorReason.INVALID_FIELD, message, field=field)
