"""What events would do, tried on nothing but the policy and each other: no server, no database."""

from collections.abc import Iterable
from dataclasses import dataclass, field

from authz_service.domain.billing_event import EventReason
from authz_service.domain.billing_policy import LifecyclePolicy
from authz_service.domain.contract import Meaning, fold
from authz_service.domain.contract_change import difference, opening
from authz_service.domain.window import Instant
from authz_service.usecases.billing.interpretation import Envelope, Unreadable, meaning, read


@dataclass(frozen=True, slots=True)
class Tried:
    """What one event says, and would do to an account that only the events before it made."""

    id: str
    type: str
    tenant: str
    deeds: tuple[str, ...]
    effects: tuple[str, ...]
    reason: EventReason = EventReason.NONE
    message: str = ""


@dataclass(slots=True)
class _World:
    """What the events before have made."""

    subjects: dict[tuple[str, str], str] = field(default_factory=dict)
    told: dict[str, list[Meaning]] = field(default_factory=dict)


def tried(policy: LifecyclePolicy, brought: Iterable[Envelope], now: Instant) -> list[Tried]:
    """Try events one after the other."""
    world = _World()
    return [_tried(policy, world, each, now) for each in brought]


def _tried(policy: LifecyclePolicy, world: _World, brought: Envelope, now: Instant) -> Tried:
    event = brought.event
    try:
        if brought.wrong:
            raise Unreadable(EventReason.MALFORMED, brought.wrong)
        found = read(policy, event, now)
    except Unreadable as why:
        return Tried(event.id, event.type, "", (), (), why.reason, why.message)
    named = (event.source, event.subject)
    tenant = found.tenant or world.subjects.get(named, "")
    if event.subject and tenant:
        world.subjects[named] = tenant
    deeds = tuple(clause.deed.value for clause in found.clauses)
    if not found.clauses or not tenant:
        reason = EventReason.UNKNOWN_SUBJECT if found.clauses else EventReason.IGNORED
        return Tried(event.id, event.type, tenant, deeds, (), reason)
    told = world.told.setdefault(tenant, [])
    before = fold(told)
    told.append(meaning(event, found))
    after = fold(told)
    if not after.complete:
        return Tried(event.id, event.type, tenant, deeds, (), EventReason.NOT_ONBOARDED)
    actions = difference(before, after, now) if before.complete else opening(after, now)
    return Tried(event.id, event.type, tenant, deeds, tuple(action.summary for action in actions))
