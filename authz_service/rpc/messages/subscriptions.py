"""Messages about what a tenant has subscribed to, from values."""

from collections.abc import Iterable
from typing import Final, assert_never

from authz_service.domain.billing_policy import Excess
from authz_service.domain.catalog import Limit
from authz_service.domain.schedule import Scheduled, ScheduledChange, ScheduledKind
from authz_service.domain.tenant import TenantState
from authz_service.gen.authz.v1 import subscription_pb2 as pb
from authz_service.rpc.messages import catalog, effects, tenants, values
from authz_service.rpc.methods import Fields, Shown
from authz_service.usecases.tenants.downgrade_step import Step, StepKind
from authz_service.usecases.tenants.tier_change import Exceeded, MemberShift, TierChange

_SCHEDULED_KINDS: Final = {
    ScheduledKind.STATE: pb.SCHEDULED_KIND_STATE,
    ScheduledKind.TIER: pb.SCHEDULED_KIND_TIER,
    ScheduledKind.ADD_ON_START: pb.SCHEDULED_KIND_ADD_ON_START,
    ScheduledKind.ADD_ON_END: pb.SCHEDULED_KIND_ADD_ON_END,
    ScheduledKind.LIMIT: pb.SCHEDULED_KIND_LIMIT,
}
_STEP_KINDS: Final = {
    StepKind.MEMBER_SUSPENDED: pb.DOWNGRADE_STEP_KIND_MEMBER_SUSPENDED,
    StepKind.MEMBER_RESUMED: pb.DOWNGRADE_STEP_KIND_MEMBER_RESUMED,
    StepKind.MEMBER_READ_ONLY: pb.DOWNGRADE_STEP_KIND_MEMBER_READ_ONLY,
    StepKind.MEMBER_RESTORED: pb.DOWNGRADE_STEP_KIND_MEMBER_RESTORED,
    StepKind.INVITATION_ENDED: pb.DOWNGRADE_STEP_KIND_INVITATION_ENDED,
    StepKind.ROLE_REPLACED: pb.DOWNGRADE_STEP_KIND_ROLE_REPLACED,
    StepKind.ROLE_ENDED: pb.DOWNGRADE_STEP_KIND_ROLE_ENDED,
    StepKind.ROLE_RESTORED: pb.DOWNGRADE_STEP_KIND_ROLE_RESTORED,
}

_EXCESS_POLICIES: Final = {
    None: pb.EXCESS_POLICY_UNSPECIFIED,
    Excess.BLOCK_NEW: pb.EXCESS_POLICY_BLOCK_NEW,
    Excess.READ_ONLY_EXCESS: pb.EXCESS_POLICY_READ_ONLY_EXCESS,
    Excess.SUSPEND_NEWEST: pb.EXCESS_POLICY_SUSPEND_NEWEST,
}


def scheduled_message(value: ScheduledChange) -> pb.ScheduledChange:
    return pb.ScheduledChange(
        id=value.id,
        tenant=value.tenant,
        kind=_SCHEDULED_KINDS[value.kind],
        effective_time=values.timestamp(value.at),
        before=_value_message(value.kind, value.before),
        after=_value_message(value.kind, value.after),
    )


def _value_message(kind: ScheduledKind, value: Scheduled | None) -> pb.ScheduledValue | None:
    match value:
        case None:
            return None
        case TenantState():
            return pb.ScheduledValue(state=tenants.STATES[value])
        case Limit():
            return pb.ScheduledValue(limit=catalog.limit_message(value))
        case str() if kind is ScheduledKind.TIER:
            return pb.ScheduledValue(tier=value)
        case str():
            return pb.ScheduledValue(add_on=value)
    assert_never(value)


SCHEDULED: Final = Shown("change", "changes", scheduled_message)


def tier_change_fields(value: TierChange) -> Fields:
    """Write a preview; it is about the revision that was looked at."""
    return {
        **effect_fields(value),
        "impacts": map(effects.tenant_impact_message, value.impacts),
        "revision": value.revision,
    }


def effect_fields(value: TierChange) -> Fields:
    """Write what an account and its members gain and lose, under the names of the fields."""
    return {
        "gained": value.gained,
        "lost": value.lost,
        "features": map(effects.value_message, value.features),
        "limits": map(effects.value_message, value.limits),
        "members": map(_shift_message, value.members),
        "exceeded": map(_exceeded_message, value.exceeded),
        "downgrade_steps": step_messages(value.steps),
    }


def _shift_message(value: MemberShift) -> pb.MemberShift:
    return pb.MemberShift(
        gained=map(effects.reach_message, value.shift.gained),
        lost=map(effects.reach_message, value.shift.lost),
        count=value.members.count,
        subjects=value.members.names,
    )


def _exceeded_message(value: Exceeded) -> pb.ExceededLimit:
    message = pb.ExceededLimit(used=value.used, policy=_EXCESS_POLICIES[value.policy])
    if value.limit is not None:
        message.limit.CopyFrom(catalog.limit_message(value.limit))
    else:
        message.limit.name = value.name
    return message


def step_messages(steps: Iterable[Step]) -> list[pb.DowngradeStep]:
    return [
        pb.DowngradeStep(
            kind=_STEP_KINDS[step.kind],
            subject=step.subject,
            role=step.role,
            replacement=step.replacement,
            scope=step.scope,
        )
        for step in steps
    ]
