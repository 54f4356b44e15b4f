"""What other systems tell us: an event, and how it passes through the service."""

from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any, assert_never

from authz_service.domain.change import Revision
from authz_service.domain.window import Instant


@dataclass(frozen=True, slots=True)
class ReceivedEvent:
    """A CloudEvent: `source` and `id` together name it, `data` is its JSON object.

    `time` is when it happened in its source, which alone orders events.
    """

    source: str
    id: str
    type: str
    time: Instant
    subject: str = ""
    data: dict[str, Any] = field(default_factory=dict)

    @property
    def name(self) -> tuple[str, str]:
        return self.source, self.id


class EventState(StrEnum):
    """Where an event stands now; it has been received and verified in any case."""

    RECEIVED = "received"
    PARKED = "parked"
    APPLIED = "applied"
    DEAD = "dead"


class Stage(StrEnum):
    """A step of an event's passage."""

    RECEIVED = "received"
    VERIFIED = "verified"
    DUPLICATE = "duplicate"
    PARKED = "parked"
    APPLIED = "applied"
    DEAD = "dead"


class EventReason(StrEnum):
    """Why an event is where it is. The same names as `authz.v1.EventReason`."""

    NONE = "none"
    IGNORED = "ignored"
    MALFORMED = "malformed"
    UNKNOWN_TYPE = "unknown_type"
    UNKNOWN_PLAN = "unknown_plan"
    UNKNOWN_SUBJECT = "unknown_subject"
    SUBJECT_CONFLICT = "subject_conflict"
    NOT_ONBOARDED = "not_onboarded"
    REFUSED = "refused"
    BREAKER_OPEN = "breaker_open"
    INTAKE_PAUSED = "intake_paused"
    DISCARDED = "discarded"
    UNKNOWN_STATUS = "unknown_status"
    PARKED_BY_POLICY = "parked_by_policy"
    UNCLEAR_ORDER = "unclear_order"


WAITING: frozenset[EventReason] = frozenset({EventReason.NOT_ONBOARDED, EventReason.UNCLEAR_ORDER})
"""Reasons of events that belong to the contract already, and wait for another event."""

RELEASED_BY_RESUMING: frozenset[EventReason] = frozenset(
    {EventReason.BREAKER_OPEN, EventReason.INTAKE_PAUSED}
)


@dataclass(frozen=True, slots=True)
class Passed:
    """One step of the passage, and when it was taken."""

    stage: Stage
    at: Instant
    reason: EventReason = EventReason.NONE
    message: str = ""
    revision: Revision = 0


@dataclass(frozen=True, slots=True)
class StoredEvent:
    """An event with what became of it.

    `tenant` is "" until it is known. `meaning` is what the policy made of it when it was last
    read, as JSON; "" if nothing could be made of it. `closing_at` is when it suspended or ended
    its tenant; 0 if it did not. `number` counts events as they came in; 0 before it is stored.
    `waits_for` is the price that the policy does not have, if that is why it is parked.
    """

    event: ReceivedEvent
    received_at: Instant
    state: EventState = EventState.RECEIVED
    reason: EventReason = EventReason.NONE
    message: str = ""
    tenant: str = ""
    meaning: str = ""
    revision: Revision = 0
    closing_at: Instant = 0
    deliveries: int = 1
    passage: tuple[Passed, ...] = ()
    number: int = 0
    waits_for: str = ""


@dataclass(frozen=True, slots=True)
class Intake:
    """Whether events are taken in. `breaker_opened_at` 0 means that the breaker is closed; it
    counts what was closed after `counted_from`.
    """

    paused: bool = False
    reason: str = ""
    breaker_opened_at: Instant = 0
    counted_from: Instant = 0


LONGEST_PASSAGE = 50
"""Steps that are kept of one event: its first ones, and the newest."""


def passed(stored: StoredEvent, step: Passed, **changed: Any) -> StoredEvent:
    """Take a step; a parked, applied or dead event says so from then on."""
    steps = (*stored.passage, step)
    if len(steps) > LONGEST_PASSAGE:
        steps = (*steps[:2], *steps[3 - LONGEST_PASSAGE - 1 :])
    match step.stage:
        case Stage.PARKED | Stage.APPLIED | Stage.DEAD:
            changed = {"waits_for": ""} | changed
            changed |= {
                "state": EventState(step.stage.value),
                "reason": step.reason,
                "message": step.message,
                "revision": step.revision,
            }
        case Stage.RECEIVED | Stage.VERIFIED | Stage.DUPLICATE:
            pass
        case _:
            assert_never(step.stage)
    return replace(stored, passage=steps, **changed)
