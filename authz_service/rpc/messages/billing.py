"""Messages about events to values and back."""

import json
from functools import partial
from typing import Any, Final

from authz_service.domain.billing_event import EventReason, EventState, Passed, Stage, StoredEvent
from authz_service.domain.window import Instant
from authz_service.gen.authz.v1 import billing_pb2 as pb
from authz_service.rpc.messages import values
from authz_service.rpc.messages.tenants import optional_instant
from authz_service.rpc.methods import Shown
from authz_service.usecases.billing.envelopes import Attributes
from authz_service.usecases.billing.event_intake import IntakeNow
from authz_service.usecases.billing.reconcile import Desired, Drift

STATES: Final = {
    each: pb.BillingEventState.Value(f"BILLING_EVENT_STATE_{each.name}") for each in EventState
}
STAGES: Final = {
    each: pb.BillingEventStage.Value(f"BILLING_EVENT_STAGE_{each.name}") for each in Stage
}
REASONS: Final = {
    each: pb.BillingEventReason.Value(f"BILLING_EVENT_REASON_{each.name}") for each in EventReason
}


def state_filter(number: int) -> EventState | None:
    return values.word(STATES, number, None, "state") if number else None


def reason_filter(number: int) -> EventReason | None:
    return values.word(REASONS, number, None, "reason") if number else None


def attributes(request: Any) -> Attributes:
    time = optional_instant(request, "time")
    return Attributes(request.id, request.type, time, request.subject)


def event_message(value: StoredEvent, *, with_data: bool = True) -> pb.BillingEvent:
    """Write an event; `with_data` tells whether its data is in it."""
    event = value.event
    message = pb.BillingEvent(
        source=event.source,
        id=event.id,
        type=event.type,
        subject=event.subject,
        tenant=value.tenant,
        data=json.dumps(event.data) if with_data else "",
        state=STATES[value.state],
        reason=REASONS[value.reason],
        message=value.message,
        revision=value.revision,
        deliveries=value.deliveries,
        receive_time=values.timestamp(value.received_at),
        passage=[_step(passed) for passed in value.passage],
    )
    if event.time:
        message.time.CopyFrom(values.timestamp(event.time))
    return message


def _step(value: Passed) -> pb.BillingEventStep:
    return pb.BillingEventStep(
        stage=STAGES[value.stage],
        time=values.timestamp(value.at),
        reason=REASONS[value.reason],
        message=value.message,
        revision=value.revision,
    )


def intake_message(value: IntakeNow) -> pb.Intake:
    message = pb.Intake(
        paused=value.intake.paused,
        reason=value.intake.reason,
        held_up=value.held_up,
        parked=value.parked,
        closed=value.closed,
        allowed=value.allowed,
    )
    opened: Instant = value.intake.breaker_opened_at
    if opened:
        message.breaker_open_time.CopyFrom(values.timestamp(opened))
    return message


def desired(message: pb.DesiredContract) -> Desired:
    return Desired(
        tenant=message.tenant,
        agreement=message.agreement,
        plans=tuple((plan.plan, plan.quantity or None) for plan in message.plans),
        display_name=message.display_name,
        trial_until=optional_instant(message, "trial_end_time"),
        grace_until=optional_instant(message, "grace_end_time"),
        paused=message.paused,
        ends_at=optional_instant(message, "end_time"),
        churned=message.churned,
    )


def drift_message(value: Drift) -> pb.Drift:
    return pb.Drift(
        tenant=value.tenant,
        differences=value.differences,
        repaired=value.repaired,
        problem=value.problem,
    )


EVENT: Final = Shown("event", "events", event_message)
EVENT_SUMMARY: Final = Shown("event", "events", partial(event_message, with_data=False))
INTAKE: Final = Shown("intake", "intakes", intake_message)
