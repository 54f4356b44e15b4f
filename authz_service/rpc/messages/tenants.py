"""Messages about customers' accounts to values and back."""

from typing import Any, Final

from authz_service.domain.catalog import ADD_ON, TIER, Limit, split_version
from authz_service.domain.schedule import ScheduledChange, ScheduledKind
from authz_service.domain.tenant import Holding, StatePeriod
from authz_service.domain.window import Instant
from authz_service.errors import ErrorReason, InvalidArgument
from authz_service.gen.authz.v1 import error_reason_pb2, limit_pb2
from authz_service.gen.authz.v1 import provisioning_pb2 as pb
from authz_service.rpc.messages import catalog
from authz_service.rpc.messages import values as convert
from authz_service.usecases.tenants.offboarding import Counts, LeftOut
from authz_service.usecases.tenants.tenant_view import TenantNow

_KINDS: Final = {
    ScheduledKind.STATE: pb.SCHEDULED_KIND_STATE,
    ScheduledKind.TIER: pb.SCHEDULED_KIND_TIER,
    ScheduledKind.ADD_ON_START: pb.SCHEDULED_KIND_ADD_ON_START,
    ScheduledKind.ADD_ON_END: pb.SCHEDULED_KIND_ADD_ON_END,
    ScheduledKind.LIMIT: pb.SCHEDULED_KIND_LIMIT,
}


def optional_instant(request: Any, field: str) -> Instant | None:
    return convert.instant(getattr(request, field)) if request.HasField(field) else None


def required_instant(request: Any, field: str) -> Instant:
    """Raises: INVALID_FIELD if it is unset: no date is never taken for some date."""
    if not request.HasField(field):
        raise InvalidArgument(ErrorReason.INVALID_FIELD, f"{field} is required", field=field)
    return convert.instant(getattr(request, field))


def limits(messages: Any) -> tuple[Limit, ...]:
    """Read limits; a fault is blamed on its place, as in `limits[1]`."""
    return tuple(catalog.limit(message, f"limits[{at}]") for at, message in enumerate(messages))


def limits_messages(values: tuple[Limit, ...]) -> list[limit_pb2.Limit]:
    return [catalog.limit_message(value) for value in values]


def tenant_message(value: TenantNow) -> pb.Tenant:
    return pb.Tenant(
        id=value.id,
        display_name=value.display_name,
        state=convert.tenant_state_number(value.state),
        suspensions=[convert.suspension_number(reason) for reason in value.suspensions],
        tier=value.tier,
        add_ons=value.add_ons,
        limits=limits_messages(value.limits),
        periods=[_period_message(period) for period in value.periods],
        holdings=[_holding_message(holding) for holding in value.holdings],
        create_time=convert.timestamp(value.created_at) if value.created_at else None,
        revision=value.revision,
        tier_version=value.tier_version,
    )


def scheduled_message(value: ScheduledChange) -> pb.ScheduledChange:
    return pb.ScheduledChange(
        id=value.id,
        tenant=value.tenant,
        kind=_KINDS[value.kind],
        at=convert.timestamp(value.at),
        before=value.before,
        after=value.after,
    )


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
    why = error_reason_pb2.ErrorReason.Value(f"ERROR_REASON_{value.why.value}")
    return pb.RoleLeftOut(role=value.role, role_grants=value.grants, why=why)


def _period_message(value: StatePeriod) -> pb.TenantPeriod:
    return pb.TenantPeriod(
        state=convert.tenant_state_number(value.state), **convert.window_fields(value.window)
    )


def _holding_message(value: Holding) -> pb.Holding:
    message = pb.Holding(**convert.window_fields(value.window))  # type: ignore[arg-type] # names
    if value.plan.startswith(TIER):
        message.tier, message.tier_version = split_version(value.plan.removeprefix(TIER))
    else:
        message.add_on = value.plan.removeprefix(ADD_ON)
    return message
