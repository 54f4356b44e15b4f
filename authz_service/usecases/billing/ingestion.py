"""Events in: each is kept once, read by the policy, and done to its tenant in one transaction.

What an event does is the difference between the contract without it and the contract with it, so
order and repetition of deliveries make no difference. What cannot be made out or done is parked
with its reason: it waits, and nothing else waits for it.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
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
from authz_service.usecases.billing.envelopes import Envelope
from authz_service.usecases.billing.envelopes import again as read_again
from authz_service.usecases.billing.interpretation import MEANING, Reading, read
from authz_service.usecases.billing.standing import Standing
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


def take_in(tx: Transaction, policy: BillingPolicy, envelope: Envelope, how: str) -> Taken:
    """Keep an event and do what it says. One that came before is counted, and does nothing.

    `how` says what proved that it is its source's.
    """
    event = envelope.event
    find = events.find(tx.connection, event.source, event.id)
    if find is not None:
        same = (find.event.data, find.event.type) == (event.data, event.type)
        message = "" if same else "with another content; the first one counts"
        step = Passed(Stage.DUPLICATE, tx.now, message=message)
        counted = passed(find, step, deliveries=find.deliveries + 1)
        events.replace(tx.connection, counted)
        return Taken(counted, duplicate=True)
    stored = StoredEvent(event, tx.now)
    for step in (Passed(Stage.RECEIVED, tx.now), Passed(Stage.VERIFIED, tx.now, message=how)):
        stored = passed(stored, step)
    stored = events.keep(tx.connection, stored)
    wrong = {stored.number: envelope.wrong} if envelope.wrong else {}
    return next(item for item in process(tx, policy, [stored], wrong) if _is(item, stored))


def process(
    tx: Transaction,
    policy: BillingPolicy,
    rows: Sequence[StoredEvent],
    wrong: dict[int, str] | None = None,
    *,
    by_hand: bool = False,
) -> list[Taken]:
    """Read events and do what they say, tenant by tenant; those that they release, too.

    `by_hand` is for what a person asks to be done: neither pause nor breaker holds it up.
    """
    outcomes: list[Taken] = []
    tenants: defaultdict[str, list[_Read]] = defaultdict(list)
    todo, numbers = list(rows), {row.number for row in rows}
    while todo:
        stored = todo.pop(0)
        try:
            reading = _read(tx, policy, stored, (wrong or {}).get(stored.number, ""), by_hand)
            tenant, released = _resolve(tx, stored, reading)
        except Unreadable as why:
            outcomes.append(_park(tx, stored, why))
            continue
        todo += [row for row in released if row.number not in numbers]
        numbers |= {row.number for row in released}
        if reading.meaning is None:
            outcomes.append(_apply(tx, replace(stored, tenant=tenant), EventReason.IGNORED))
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
    tx: Transaction, policy: BillingPolicy, stored: StoredEvent, wrong: str, by_hand: bool
) -> Reading:
    if wrong:
        raise Unreadable(EventReason.MALFORMED, wrong)
    if not by_hand and events.intake(tx.connection).paused:
        raise Unreadable(EventReason.INTAKE_PAUSED, "the intake is paused; resuming releases it")
    return read(policy, stored.event, tx.now)


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
    change = standing.added(
        tx.connection, tenant, rows, [event.meaning for event in fresh], merging
    )
    is_open = tx.index.tenant(tenant) is not None
    if not is_open and not change.after.complete:
        why = not_onboarded(tenant)
        standing.keep(tx.connection, tenant, change, waiting=True)
        return [_park(tx, row, why) for row in rows]
    actions = steps(is_open, change, merging, tx.now)
    closing = is_open and closes(change.before, change.after, merging, tx.now)
    if closing and not by_hand and not circuit_breaker.lets_through(tx, policy, tenant):
        return [_park(tx, row, _BREAKER_OPEN) for row in rows]
    try:
        fitted = carried_out(tx, policy, tenant, due_to(rows), actions)
    except AuthzError as refusal:
        why = refused(refusal)
        return [_park(tx, row, why) for row in rows]
    standing.keep(tx.connection, tenant, change)
    at = tx.now if closing else 0
    effects = told(actions, fitted)
    unclear = [row for row in rows if row.event.name in change.after.unclear]
    applied = [row for row in rows if row not in unclear]
    return [
        *(_park(tx, row, UNCLEAR, again=True) for row in (*unclear, *change.unclear)),
        *(
            _apply(tx, replace(row, closing_at=at or row.closing_at), effects=effects)
            for row in (*applied, *change.released)
        ),
    ]


_BREAKER_OPEN: Final = Unreadable(
    EventReason.BREAKER_OPEN,
    "events have closed so many tenants that a person must look first; resuming the intake "
    "releases it",
)

UNCLEAR: Final = Unreadable(
    EventReason.UNCLEAR_ORDER,
    "it happened in the same instant as another event about its agreement, and nothing tells which "
    "came last; a later event about it settles the matter, or discard one of them",
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


def _park(tx: Transaction, stored: StoredEvent, why: Unreadable, *, again: bool = False) -> Taken:
    """Let an event wait. One that has been applied before, and was replayed, stays applied, unless
    it is to wait `again`.
    """
    step = Passed(Stage.PARKED, tx.now, why.reason, why.message)
    if stored.state is EventState.APPLIED and not again:
        # It counts as it was read when it was applied.
        stored = events.find(tx.connection, stored.event.source, stored.event.id) or stored
        step = replace(step, stage=Stage.DUPLICATE, message=f"replayed in vain: {why.message}")
    waiting = passed(stored, step)
    events.replace(tx.connection, waiting)
    return Taken(waiting)


def _apply(
    tx: Transaction,
    stored: StoredEvent,
    reason: EventReason = EventReason.NONE,
    effects: tuple[str, ...] = (),
) -> Taken:
    step = Passed(Stage.APPLIED, tx.now, reason, revision=tx.revision)
    applied = passed(stored, step)
    events.replace(tx.connection, applied)
    return Taken(applied, effects)


def _is(used: Taken, stored: StoredEvent) -> bool:
    return used.event.number == stored.number


def replayed(tx: Transaction, policy: BillingPolicy, stored: StoredEvent) -> Taken:
    """Read an event again, by the policy of now, and do what it says now."""
    wrong = {}
    source = policy.sources.get(stored.event.source)
    if stored.event.time == 0 and source is not None:
        envelope = read_again(source, stored.event)
        stored = replace(stored, event=envelope.event)
        wrong = {stored.number: envelope.wrong} if envelope.wrong else {}
    events = process(tx, policy, [stored], wrong, by_hand=True)
    return next(item for item in events if _is(item, stored))


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
