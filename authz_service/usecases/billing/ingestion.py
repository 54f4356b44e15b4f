"""Events in: each is kept once, read by the policy, and done to its tenant in one transaction.

What an event does is the difference between the contract without it and the contract with it, so
order and repetition of deliveries make no difference. What cannot be made out or done is parked
with its reason: it waits, and nothing else waits for it.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Final

from authz_service.domain.agreement_course import Meaning
from authz_service.domain.audit import AuditRecord
from authz_service.domain.billing_event import (
    EventReason,
    EventState,
    Passed,
    ReceivedEvent,
    Stage,
    StoredEvent,
    passed,
)
from authz_service.domain.billing_policy import BillingPolicy
from authz_service.domain.contract import Merging
from authz_service.domain.contract_change import Action, closes, difference, opening
from authz_service.domain.tenant import SYSTEM
from authz_service.domain.window import Instant
from authz_service.errors import AuthzError, Internal, Unavailable
from authz_service.store import events
from authz_service.store.unit_of_work import Transaction
from authz_service.usecases.billing import circuit_breaker, standing
from authz_service.usecases.billing.apply_contract import carry_out
from authz_service.usecases.billing.interpretation import MEANING, Reading, read
from authz_service.usecases.billing.standing import Standing
from authz_service.usecases.billing.unclear_order import UNCLEAR, lookups
from authz_service.usecases.billing.values import Unreadable, storable
from authz_service.usecases.tenants.downgrade_step import Step

_NAMED = 5
"""Events that an audit entry names as its reason, where one change is due to several."""


@dataclass(frozen=True, slots=True)
class Taken:
    """What became of an event. `effects` says in words what it did to its tenant."""

    event: StoredEvent
    effects: tuple[str, ...] = ()
    duplicate: bool = False


@dataclass(frozen=True, slots=True)
class _Read:
    """An event that has been read, and whose tenant is known."""

    stored: StoredEvent
    meaning: Meaning


def process(
    tx: Transaction,
    policy: BillingPolicy,
    rows: Sequence[StoredEvent],
    readings: Mapping[int, Reading | Unreadable] = MappingProxyType({}),
    *,
    by_hand: bool = False,
) -> list[Taken]:
    """Read events and do what they say, tenant by tenant; those that they release, too.

    `readings` are those that have been read already, by number. `by_hand` is for what a person asks
    to be done: neither pause nor breaker holds it up.
    """
    outcomes: list[Taken] = []
    tenants: defaultdict[str, list[_Read]] = defaultdict(list)
    todo, numbers = list(rows), {row.number for row in rows}
    while todo:
        stored = todo.pop(0)
        try:
            reading = _read(tx, policy, stored, readings.get(stored.number), by_hand)
            tenant, released = _resolve(tx, stored, reading)
        except Unreadable as why:
            outcomes.append(park(tx, stored, why))
            continue
        todo += [row for row in released if row.number not in numbers]
        numbers |= {row.number for row in released}
        if reading.meaning is None:
            outcomes.append(apply(tx, replace(stored, tenant=tenant), ignored=True))
        else:
            meaning = MEANING.dump_json(reading.meaning).decode()
            row = replace(stored, tenant=tenant, meaning=meaning)
            tenants[tenant].append(_Read(row, reading.meaning))
    for tenant, fresh in tenants.items():
        outcomes += _apply_to_tenant(tx, policy, tenant, fresh, by_hand=by_hand)
    return outcomes


def steps(is_open: bool, change: Standing, merging: Merging, now: Instant) -> tuple[Action, ...]:
    """List what leads the account to its contract; `is_open` says that there is an account."""
    if is_open:
        return difference(change.before, change.after, merging, now)
    return opening(change.after, merging, now)


def _read(
    tx: Transaction,
    policy: BillingPolicy,
    stored: StoredEvent,
    reading: Reading | Unreadable | None,
    by_hand: bool,
) -> Reading:
    if isinstance(reading, Unreadable):
        raise reading
    if not by_hand and events.intake(tx.connection).paused:
        raise Unreadable(EventReason.INTAKE_PAUSED, "the intake is paused; resuming releases it")
    return reading or read(policy, stored.event, tx.now)


def _resolve(
    tx: Transaction, stored: StoredEvent, reading: Reading
) -> tuple[str, list[StoredEvent]]:
    """Name the tenant, and the events that waited until its subject was known."""
    event = stored.event
    tenant, new = resolved(tx, event, reading)
    if not new:
        return tenant, []
    events.map_subject(tx.connection, event.source, event.subject, tenant, tx.now)
    return tenant, events.of_subject(tx.connection, event.source, event.subject)


def resolved(tx: Transaction, event: ReceivedEvent, reading: Reading) -> tuple[str, bool]:
    """Name the tenant that an event is about, and say whether nobody knew its subject before."""
    mapped = events.tenant_of_subject(tx.connection, event.source, event.subject)
    if SYSTEM in (reading.tenant, mapped):
        raise Unreadable(EventReason.MALFORMED, "the tenant `system` is no customer")
    if not event.subject or reading.tenant in ("", mapped):
        if not (mapped or reading.tenant) and reading.meaning is not None:
            raise Unreadable(
                EventReason.UNKNOWN_SUBJECT,
                f"no event has said yet which tenant {event.source} means by "
                f"{event.subject or 'an event without a subject'!r}; one that does releases it",
            )
        return mapped or reading.tenant, False
    if mapped:
        raise Unreadable(
            EventReason.SUBJECT_CONFLICT,
            f"{event.source} means tenant {mapped!r} by {event.subject!r}, and the event names "
            f"{reading.tenant!r}; map the subject anew and replay, or discard the event",
        )
    return reading.tenant, True


def _apply_to_tenant(
    tx: Transaction,
    policy: BillingPolicy,
    tenant: str,
    fresh: Sequence[_Read],
    *,
    by_hand: bool,
) -> list[Taken]:
    """Do to one tenant what events say, all of them or none."""
    rows = [event.stored for event in fresh]
    merging = policy.merging
    events.hold(tx.connection, tenant)
    change = standing.added(
        tx.connection, tenant, rows, [event.meaning for event in fresh], merging
    )
    is_open = tx.index.tenant(tenant) is not None
    if not is_open and not change.after.complete:
        why = not_onboarded(tenant)
        standing.keep(tx.connection, tenant, change, waiting=True)
        return [park(tx, row, why) for row in rows]
    actions = steps(is_open, change, merging, tx.now)
    closing = is_open and closes(change.before, change.after, merging, tx.now)
    if closing and not by_hand and not circuit_breaker.lets_through(tx, policy, tenant):
        return [park(tx, row, _BREAKER_OPEN) for row in rows]
    try:
        fitted = carried_out(tx, policy, tenant, due_to(rows), actions)
    except AuthzError as refusal:
        why = refused(refusal)
        return [park(tx, row, why) for row in rows]
    standing.keep(tx.connection, tenant, change)
    at = tx.now if closing else 0
    effects = told(actions, fitted)
    unclear = [row for row in rows if row.event.name in change.after.unclear]
    applied = [row for row in rows if row not in unclear]
    meanings = [MEANING.validate_json(row.meaning) for row in (*unclear, *change.unclear)]
    for job in lookups(tx, policy, tenant, meanings):
        tx.enqueue(job)
    return [
        *(park(tx, row, UNCLEAR, again=True) for row in (*unclear, *change.unclear)),
        *(
            apply(tx, replace(row, closing_at=at or row.closing_at), effects=effects)
            for row in (*applied, *change.released)
        ),
    ]


_BREAKER_OPEN: Final = Unreadable(
    EventReason.BREAKER_OPEN,
    "events have closed so many tenants that a person must look first; resuming the intake "
    "releases it",
)


def carried_out(
    tx: Transaction,
    policy: BillingPolicy,
    tenant: str,
    reason: str,
    actions: Sequence[Action],
) -> tuple[Step, ...]:
    """Carry out all actions, or none. `reason` is what the audit says.

    Raises:
        AuthzError: something cannot be done; nothing is left of what was done before it.
    """
    changes, recorded, call = len(tx.changes), len(tx.records), tx.call
    tx.call = replace(call, reason=storable(reason))
    try:
        with tx.connection.begin_nested():
            return carry_out(tx, tenant, actions, policy.downgrade)
    except AuthzError:
        del tx.changes[changes:], tx.records[recorded:]
        raise
    finally:
        tx.call = call


def refused(refusal: AuthzError) -> Unreadable:
    """Say why an event waits that its account refuses.

    Raises:
        AuthzError: the refusal is none: the database does not answer, or a bug of ours.
    """
    if isinstance(refusal, Unavailable | Internal):
        raise refusal
    return Unreadable(EventReason.REFUSED, f"{refusal.reason}: {refusal.message}")


def not_onboarded(tenant: str) -> Unreadable:
    return Unreadable(
        EventReason.NOT_ONBOARDED,
        f"tenant {tenant!r} is not there, and no event has yet both asked for it and named "
        "its plan",
    )


def told(actions: Iterable[Action], steps: Iterable[Step]) -> tuple[str, ...]:
    """Say in words what is done to an account, and what the downgrade policy does then."""
    fitting = (f"downgrade: {step.summary}" for step in steps)
    return (*(action.summary for action in actions), *fitting)


def due_to(rows: Sequence[StoredEvent]) -> str:
    names = [f"{row.event.source}/{row.event.id}" for row in rows[:_NAMED]]
    return f"event {', '.join(names)}" + (" and more" if len(rows) > _NAMED else "")


def park(tx: Transaction, stored: StoredEvent, why: Unreadable, *, again: bool = False) -> Taken:
    """Let an event wait. One that has been applied before, and was replayed, stays applied, unless
    it is to wait `again`.
    """
    step = Passed(Stage.PARKED, tx.now, why.reason, why.message)
    if stored.state is EventState.APPLIED and not again:
        # It counts as it was read when it was applied.
        stored = events.find(tx.connection, stored.event.source, stored.event.id) or stored
        step = replace(step, stage=Stage.DUPLICATE, message=f"replayed in vain: {why.message}")
    waiting = passed(stored, step, waits_for=why.waits_for)
    events.replace(tx.connection, waiting)
    return Taken(waiting)


def apply(
    tx: Transaction,
    stored: StoredEvent,
    effects: tuple[str, ...] = (),
    *,
    ignored: bool = False,
) -> Taken:
    """Mark an event as one whose meaning is part of its tenant's contract, or is nothing."""
    reason = EventReason.IGNORED if ignored else EventReason.NONE
    step = Passed(Stage.APPLIED, tx.now, reason, revision=tx.revision)
    applied = passed(stored, step)
    events.replace(tx.connection, applied)
    return Taken(applied, effects)


def release(
    tx: Transaction, policy: BillingPolicy, reasons: Iterable[EventReason], at_most: int
) -> list[Taken]:
    """Do what events say that were held up, oldest first."""
    parked = events.parked(tx.connection, tuple(reasons), at_most)
    return process(tx, policy, parked, by_hand=True)


def note(tx: Transaction, action: str, tenant: str, target: str, **answers: object) -> None:
    """Audit what a person did to the intake or to an event."""
    chain = tenant if tx.index.tenant(tenant) is not None else SYSTEM
    details = {name: str(value) for name, value in answers.items()}
    tx.record(AuditRecord(action, chain, (target,), reason=tx.call.reason, details=details))
