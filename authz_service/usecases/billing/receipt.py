"""Receiving an event, and reading one again.

An event is kept under no lock that changes of other accounts wait for, and so is all that it says
if its account stays as it is. What changes an account is done afterwards, at the head.
"""

from dataclasses import replace

from authz_service.domain.billing_event import (
    EventState,
    Passed,
    Stage,
    StoredEvent,
    passed,
)
from authz_service.domain.billing_policy import BillingPolicy
from authz_service.domain.window import Instant
from authz_service.store import events
from authz_service.store.unit_of_work import Transaction
from authz_service.usecases.billing import standing
from authz_service.usecases.billing.envelopes import Envelope, again
from authz_service.usecases.billing.ingestion import (
    Taken,
    apply,
    park,
    process,
    resolved,
    steps,
)
from authz_service.usecases.billing.interpretation import MEANING, Reading, read
from authz_service.usecases.billing.values import Unreadable, malformed


def attempt(policy: BillingPolicy, envelope: Envelope, now: Instant) -> Reading | Unreadable:
    """Make out what an event says, or say why it cannot be made out."""
    if envelope.wrong:
        return malformed(envelope.wrong)
    try:
        return read(policy, envelope.event, now)
    except Unreadable as why:
        return why


def receive(
    tx: Transaction,
    policy: BillingPolicy,
    envelope: Envelope,
    reading: Reading | Unreadable,
    how: str,
) -> Taken:
    """Keep an event, aside from the head, and be done with it if its account stays as it is.

    `how` says what proved that it is its source's. The state of one that is to be folded in is
    RECEIVED. One that came before is counted.
    """
    taken = keep(tx, envelope, how)
    if taken.event.state is not EventState.RECEIVED:
        return taken
    if isinstance(reading, Unreadable):
        return park(tx, taken.event, reading)
    return _unmoved(tx, policy, taken.event, reading) or taken


def take_in(tx: Transaction, policy: BillingPolicy, envelope: Envelope, how: str) -> Taken:
    """Keep an event and do what it says, at the head."""
    reading = attempt(policy, envelope, tx.now)
    taken = keep(tx, envelope, how)
    return taken if taken.duplicate else fold_in(tx, policy, taken.event, reading)


def fold_in(
    tx: Transaction,
    policy: BillingPolicy,
    stored: StoredEvent,
    reading: Reading | Unreadable | None = None,
) -> Taken:
    """Do what an event says that was received, at the head; nothing if that has been done."""
    current = events.find_to_change(tx.connection, stored.event.source, stored.event.id) or stored
    if current.state is not EventState.RECEIVED:
        return Taken(current, duplicate=True)
    readings = {} if reading is None else {current.number: reading}
    return _own(process(tx, policy, [current], readings), current)


def replayed(tx: Transaction, policy: BillingPolicy, stored: StoredEvent) -> Taken:
    """Read an event again, by the policy of now, and do what it says now."""
    readings: dict[int, Reading | Unreadable] = {}
    source = policy.sources.get(stored.event.source)
    if stored.event.time == 0 and source is not None:
        envelope = again(source, stored.event)
        stored = replace(stored, event=envelope.event)
        readings = {stored.number: attempt(policy, envelope, tx.now)}
    return _own(process(tx, policy, [stored], readings, by_hand=True), stored)


def keep(tx: Transaction, envelope: Envelope, how: str) -> Taken:
    """Keep an event, or count the delivery of one that came before.

    One of which no more was done than to receive it is no duplicate.
    """
    event = envelope.event
    find = events.find_to_change(tx.connection, event.source, event.id)
    if find is None:
        stored = StoredEvent(event, tx.now)
        for step in (Passed(Stage.RECEIVED, tx.now), Passed(Stage.VERIFIED, tx.now, message=how)):
            stored = passed(stored, step)
        kept = events.keep(tx.connection, stored)
        if kept is not None:
            return Taken(kept)
        return keep(tx, envelope, how)
    same = (find.event.data, find.event.type) == (event.data, event.type)
    message = "" if same else "with another content; the first one counts"
    step = Passed(Stage.DUPLICATE, tx.now, message=message)
    counted = passed(find, step, deliveries=find.deliveries + 1)
    events.replace(tx.connection, counted)
    return Taken(counted, duplicate=find.state is not EventState.RECEIVED)


def _unmoved(
    tx: Transaction, policy: BillingPolicy, stored: StoredEvent, reading: Reading
) -> Taken | None:
    """Do what an event says if that leaves its account as it is; None if more is to be done."""
    if events.intake(tx.connection).paused:
        return None
    try:
        tenant, new = resolved(tx, stored.event, reading)
    except Unreadable:
        return None
    if new:
        return None
    stored = replace(stored, tenant=tenant)
    if reading.meaning is None:
        return apply(tx, stored, ignored=True)
    if tx.index.tenant(tenant) is None:
        return None
    merging = policy.merging
    events.hold(tx.connection, tenant)
    stored = replace(stored, meaning=MEANING.dump_json(reading.meaning).decode())
    change = standing.added(tx.connection, tenant, [stored], [reading.meaning], merging)
    others = change.released or change.unclear or stored.event.name in change.after.unclear
    if others or steps(True, change, merging, tx.now):
        return None
    standing.keep(tx.connection, tenant, change)
    return apply(tx, stored)


def _own(outcomes: list[Taken], stored: StoredEvent) -> Taken:
    return next(item for item in outcomes if item.event.number == stored.number)
