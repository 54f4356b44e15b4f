"""What events would do, tried on nothing but the policy and each other: no server, no database."""

from collections.abc import Iterable
from dataclasses import dataclass, field

from authz_service.domain.agreement_course import Meaning
from authz_service.domain.billing_event import EventReason
from authz_service.domain.billing_policy import BillingPolicy
from authz_service.domain.contract import fold
from authz_service.domain.contract_change import difference, opening
from authz_service.domain.window import Instant
from authz_service.usecases.billing.envelopes import Envelope
from authz_service.usecases.billing.interpretation import read
from authz_service.usecases.billing.values import Unreadable


@dataclass(frozen=True, slots=True)
class Tried:
    """What one event says, and would do to an account that only the events before it made."""

    id: str
    type: str
    tenant: str
    says: tuple[str, ...]
    effects: tuple[str, ...]
    reason: EventReason = EventReason.NONE
    message: str = ""


@dataclass(slots=True)
class _World:
    """What the events before have made."""

    subjects: dict[tuple[str, str], str] = field(default_factory=dict)
    meanings: dict[str, list[Meaning]] = field(default_factory=dict)


def tried(policy: BillingPolicy, sent: Iterable[Envelope], now: Instant) -> list[Tried]:
    """Try events one after the other."""
    world = _World()
    return [_tried(policy, world, envelope, now) for envelope in sent]


def _tried(policy: BillingPolicy, world: _World, envelope: Envelope, now: Instant) -> Tried:
    event = envelope.event
    try:
        if envelope.wrong:
            raise Unreadable(EventReason.MALFORMED, envelope.wrong)
        reading = read(policy, event, now)
    except Unreadable as why:
        return Tried(event.id, event.type, "", (), (), why.reason, why.message)
    subject = (event.source, event.subject)
    tenant = reading.tenant or world.subjects.get(subject, "")
    if event.subject and tenant:
        world.subjects[subject] = tenant
    if reading.meaning is None:
        return Tried(event.id, event.type, tenant, (), (), EventReason.IGNORED)
    says = tuple(clause.verb.value for clause in reading.meaning.clauses)
    if not tenant:
        return Tried(event.id, event.type, tenant, says, (), EventReason.UNKNOWN_SUBJECT)
    meanings, merging = world.meanings.setdefault(tenant, []), policy.merging
    before = fold(meanings, merging)
    meanings.append(reading.meaning)
    after = fold(meanings, merging)
    if event.name in after.unclear:
        return Tried(event.id, event.type, tenant, says, (), EventReason.UNCLEAR_ORDER)
    if not after.complete:
        return Tried(event.id, event.type, tenant, says, (), EventReason.NOT_ONBOARDED)
    if before.complete:
        actions = difference(before, after, merging, now)
    else:
        actions = opening(after, merging, now)
    return Tried(event.id, event.type, tenant, says, tuple(action.summary for action in actions))
