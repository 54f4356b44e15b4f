"""Definitions to values and back. Both directions side by side, no decisions inside."""

from collections.abc import Iterable
from typing import Any, Final, assert_never

from authz_service.domain.catalog import (
    ADD_ON,
    TIER,
    Feature,
    FeatureKind,
    Limit,
    Period,
    Permission,
    Plan,
    Reset,
    Role,
)
from authz_service.errors import ErrorReason, InvalidArgument
from authz_service.gen.authz.v1 import (
    add_on_pb2,
    feature_pb2,
    limit_pb2,
    permission_pb2,
    role_pb2,
    tier_pb2,
)
from authz_service.rpc.messages.values import word
from authz_service.rpc.methods import Shown
from authz_service.usecases.catalog.plan_items import OfPlan

_PERIODS: Final = {
    Period.NONE: limit_pb2.LIMIT_PERIOD_UNSPECIFIED,
    Period.MINUTE: limit_pb2.LIMIT_PERIOD_MINUTE,
    Period.HOUR: limit_pb2.LIMIT_PERIOD_HOUR,
    Period.DAY: limit_pb2.LIMIT_PERIOD_DAY,
    Period.WEEK: limit_pb2.LIMIT_PERIOD_WEEK,
    Period.MONTH: limit_pb2.LIMIT_PERIOD_MONTH,
    Period.YEAR: limit_pb2.LIMIT_PERIOD_YEAR,
}
_RESETS: Final = {
    Reset.NONE: limit_pb2.LIMIT_RESET_UNSPECIFIED,
    Reset.CALENDAR: limit_pb2.LIMIT_RESET_CALENDAR,
    Reset.BILLING: limit_pb2.LIMIT_RESET_BILLING,
    Reset.ROLLING: limit_pb2.LIMIT_RESET_ROLLING,
}


def permission(message: permission_pb2.Permission) -> Permission:
    return Permission(
        message.id, message.internal, message.description, message.deprecated, message.replaced_by
    )


def permission_message(value: Permission) -> permission_pb2.Permission:
    return permission_pb2.Permission(
        id=value.id,
        internal=value.internal,
        description=value.description,
        deprecated=value.deprecated,
        replaced_by=value.replaced_by,
        revision=value.revision,
    )


def role(message: role_pb2.Role) -> Role:
    return Role(
        message.id,
        frozenset(message.permissions),
        frozenset(message.includes),
        message.description,
        message.admin,
    )


def role_message(value: Role) -> role_pb2.Role:
    return role_pb2.Role(
        id=value.id,
        permissions=sorted(value.permissions),
        includes=sorted(value.includes),
        description=value.description,
        admin=value.admin,
        revision=value.revision,
    )


def tier(message: tier_pb2.Tier, field: str = "tier") -> Plan:
    return Plan(
        id=TIER + message.id,
        extends=TIER + message.extends if message.extends else "",
        permissions=frozenset(message.permissions),
        features=tuple(feature(item) for item in message.features),
        limits=_limits(message.limits, field),
        assignable_roles=frozenset(message.assignable_roles),
        description=message.description,
        suspended_free_seats=message.suspended_free_seats,
    )


def tier_message(value: Plan) -> tier_pb2.Tier:
    return tier_pb2.Tier(
        id=value.name,
        extends=value.extends.removeprefix(TIER),
        permissions=sorted(value.permissions),
        features=[feature_message(item) for item in value.features],
        limits=[limit_message(item) for item in value.limits],
        assignable_roles=sorted(value.assignable_roles),
        description=value.description,
        suspended_free_seats=value.suspended_free_seats,
        revision=value.revision,
        version=value.version,
    )


def add_on(message: add_on_pb2.AddOn, field: str = "add_on") -> Plan:
    return Plan(
        id=ADD_ON + message.id,
        permissions=frozenset(message.permissions),
        features=tuple(feature(item) for item in message.features),
        limits=_limits(message.limits, field),
        assignable_roles=frozenset(message.assignable_roles),
        description=message.description,
    )


def add_on_message(value: Plan) -> add_on_pb2.AddOn:
    return add_on_pb2.AddOn(
        id=value.name,
        permissions=sorted(value.permissions),
        features=[feature_message(item) for item in value.features],
        limits=[limit_message(item) for item in value.limits],
        assignable_roles=sorted(value.assignable_roles),
        description=value.description,
        revision=value.revision,
    )


def feature(message: feature_pb2.Feature) -> Feature:
    match message.WhichOneof("value"):
        case "text":
            return Feature(message.name, message.text, FeatureKind.TEXT, message.rank)
        case "number":
            number = str(message.number)
            return Feature(message.name, number, FeatureKind.NUMBER, message.rank)
    return Feature(message.name, "true" if message.enabled else "false", rank=message.rank)


def feature_message(value: Feature) -> feature_pb2.Feature:
    match value.kind:
        case FeatureKind.FLAG:
            return feature_pb2.Feature(name=value.name, enabled=value.value == "true")
        case FeatureKind.NUMBER:
            return feature_pb2.Feature(name=value.name, number=int(value.value))
        case FeatureKind.TEXT:
            return feature_pb2.Feature(name=value.name, text=value.value, rank=value.rank)
        case _:
            assert_never(value.kind)


def plan_feature_message(value: OfPlan[Feature]) -> feature_pb2.PlanFeature:
    return feature_pb2.PlanFeature(
        feature=feature_message(value.item), revision=value.revision, **plan_fields(value.plan)
    )


def limit(message: limit_pb2.Limit, field: str = "limit") -> Limit:
    """Read a limit. Neither a value nor unlimited is an error: unset never means unlimited."""
    match message.WhichOneof("amount"):
        case "value":
            return Limit(message.name, message.value, message.unit, *counting(message, field))
        case "unlimited" if message.unlimited:
            return Limit(message.name, None, message.unit, *counting(message, field))
    raise InvalidArgument(
        ErrorReason.INVALID_FIELD,
        f"limit {message.name!r} needs a value, or unlimited said outright",
        field=field,
    )


def counting(message: limit_pb2.Limit, field: str) -> tuple[Period, Reset]:
    """Read in which time a limit counts, and when it begins again."""
    return (
        word(_PERIODS, message.period, None, f"{field}.period"),
        word(_RESETS, message.reset, None, f"{field}.reset"),
    )


def limit_message(value: Limit) -> limit_pb2.Limit:
    message = limit_pb2.Limit(
        name=value.name,
        unit=value.unit,
        period=_PERIODS[value.period],
        reset=_RESETS[value.reset],
    )
    if value.value is None:
        message.unlimited = True
    else:
        message.value = value.value
    return message


def plan_limit_message(value: OfPlan[Limit]) -> limit_pb2.PlanLimit:
    return limit_pb2.PlanLimit(
        limit=limit_message(value.item), revision=value.revision, **plan_fields(value.plan)
    )


def _limits(messages: Iterable[limit_pb2.Limit], field: str) -> tuple[Limit, ...]:
    return tuple(limit(item, f"{field}.limits[{at}]") for at, item in enumerate(messages))


PERMISSION: Final = Shown("permission", "permissions", permission_message)
ROLE: Final = Shown("role", "roles", role_message)
TIERS: Final = Shown("tier", "tiers", tier_message)
ADD_ONS: Final = Shown("add_on", "add_ons", add_on_message)
PLAN_FEATURE: Final = Shown("plan_feature", "plan_features", plan_feature_message)
PLAN_LIMIT: Final = Shown("plan_limit", "plan_limits", plan_limit_message)


def plan_id(message: Any) -> str:
    """Read which plan a message is about: `tier/pro`, `addon/audit`; "" for none."""
    match message.WhichOneof("plan"):
        case "tier":
            return f"{TIER}{message.tier}"
        case "add_on":
            return f"{ADD_ON}{message.add_on}"
    return ""


def plan_fields(plan: str) -> dict[str, str]:
    """Write which plan a message is about."""
    if plan.startswith(TIER):
        return {"tier": plan.removeprefix(TIER)}
    return {"add_on": plan.removeprefix(ADD_ON)}
