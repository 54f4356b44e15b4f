"""Messages about customers' accounts to values and back."""

from typing import Any, Final

from authz_service.domain.catalog import ADD_ON, TIER, Limit, split_version
from authz_service.domain.tenant import DatedLimit, StatePeriod, SubscriptionItem, TenantState
from authz_service.domain.window import Instant
from authz_service.errors import ErrorReason, InvalidArgument
from authz_service.gen.authz.v1 import error_reason_pb2, limit_pb2
from authz_service.gen.authz.v1 import tenant_pb2 as pb
from authz_service.rpc.messages import catalog, members, values
from authz_service.rpc.methods import Shown
from authz_service.usecases.tenants.batch_onboarding import Imported, Outcome
from authz_service.usecases.tenants.offboarding import Counts, LeftOut
from authz_service.usecases.tenants.tenant_view import TenantNow

STATES: Final = {
    TenantState.ACTIVE: pb.TENANT_STATE_ACTIVE,
    TenantState.TRIAL: pb.TENANT_STATE_TRIAL,
    TenantState.GRACE: pb.TENANT_STATE_GRACE,
    TenantState.SUSPENDED: pb.TENANT_STATE_SUSPENDED,
    TenantState.OFFBOARDED: pb.TENANT_STATE_OFFBOARDED,
}
_OUTCOMES: Final = {
    Outcome.CREATED: pb.ONBOARD_OUTCOME_CREATED,
    Outcome.UNCHANGED: pb.ONBOARD_OUTCOME_UNCHANGED,
    Outcome.DIFFERENT: pb.ONBOARD_OUTCOME_DIFFERENT,
    Outcome.REFUSED: pb.ONBOARD_OUTCOME_REFUSED,
}


def optional_instant(request: Any, field: str) -> Instant | None:
    return values.instant(getattr(request, field)) if request.HasField(field) else None


def required_instant(request: Any, field: str) -> Instant:
    """Raises: INVALID_FIELD if it is unset: no date is never taken for some date."""
    if not request.HasField(field):
        raise InvalidArgument(ErrorReason.INVALID_FIELD, f"{field} is required", field=field)
    return values.instant(getattr(request, field))


def limits(messages: Any) -> tuple[Limit, ...]:
    """Read limits; a fault is blamed on its place, as in `limits[1]`."""
    return tuple(catalog.limit(message, f"limits[{at}]") for at, message in enumerate(messages))


def limits_messages(limits: tuple[Limit, ...]) -> list[limit_pb2.Limit]:
    return [catalog.limit_message(limit) for limit in limits]


def state_filter(number: int, field: str = "state") -> TenantState | None:
    return values.word(STATES, number, None, field) if number else None


def tenant_message(value: TenantNow) -> pb.Tenant:
    return pb.Tenant(
        id=value.id,
        display_name=value.display_name,
        state=STATES[value.state],
        suspensions=members.suspension_numbers(value.suspensions),
        tier=value.tier,
        add_ons=value.add_ons,
        limits=limits_messages(value.limits),
        periods=[_period_message(period) for period in value.periods],
        subscription_items=[_item_message(item) for item in value.subscription_items],
        create_time=values.timestamp(value.created_at) if value.created_at else None,
        revision=value.revision,
        tier_version=value.tier_version,
        dated_limits=[_dated_limit_message(dated) for dated in value.dated_limits],
    )


TENANT: Final = Shown("tenant", "tenants", tenant_message)


def counts_message(value: Counts) -> pb.AccountCounts:
    return pb.AccountCounts(
        members=value.members,
        role_grants=value.role_grants,
        exceptions=value.exceptions,
        invitations=value.invitations,
        keys=value.keys,
        identities=value.identities,
    )


def left_out_message(value: LeftOut) -> pb.RoleLeftOut:
    return pb.RoleLeftOut(
        role=value.role, role_grants=value.grants, error_reason=_reason_number(value.why)
    )


def onboard_message(value: Imported) -> pb.OnboardResult:
    message = pb.OnboardResult(
        tenant=value.tenant,
        outcome=_OUTCOMES[value.outcome],
        field=value.field,
        message=value.message,
        differences=value.differences,
    )
    if value.reason is not None:
        message.error_reason = _reason_number(value.reason)
    return message


def _reason_number(reason: ErrorReason) -> error_reason_pb2.ErrorReason.ValueType:
    return error_reason_pb2.ErrorReason.Value(f"ERROR_REASON_{reason.value}")


def _period_message(value: StatePeriod) -> pb.TenantPeriod:
    return pb.TenantPeriod(state=STATES[value.state], **values.window_fields(value.window))


def _dated_limit_message(value: DatedLimit) -> pb.DatedLimit:
    window = values.window_fields(value.window)
    return pb.DatedLimit(limit=catalog.limit_message(value.limit), **window)


def _item_message(value: SubscriptionItem) -> pb.SubscriptionItem:
    message = pb.SubscriptionItem(**values.window_fields(value.window))  # type: ignore[arg-type] # names
    if value.plan.startswith(TIER):
        message.tier, message.tier_version = split_version(value.plan.removeprefix(TIER))
    else:
        message.add_on = value.plan.removeprefix(ADD_ON)
    return message
