"""Definitions to values and back. Both directions side by side, no decisions inside."""

from collections.abc import Iterable

from google.protobuf.field_mask_pb2 import FieldMask

from authz_service.domain.catalog import ADD_ON, TIER, Feature, Limit, Permission, Plan, Role
from authz_service.domain.policy_set import PolicySet
from authz_service.errors import ErrorReason, InvalidArgument
from authz_service.gen.authz.v1 import policy_pb2 as pb
from authz_service.usecases.catalog.deletion import Moved
from authz_service.usecases.catalog.plan_items import OfPlan


def permission(message: pb.Permission) -> Permission:
    return Permission(
        message.id, message.internal, message.description, message.deprecated, message.replaced_by
    )


def permission_message(value: Permission) -> pb.Permission:
    return pb.Permission(
        id=value.id,
        internal=value.internal,
        description=value.description,
        deprecated=value.deprecated,
        replaced_by=value.replaced_by,
        revision=value.revision,
    )


def role(message: pb.Role) -> Role:
    return Role(
        message.id,
        frozenset(message.permissions),
        frozenset(message.includes),
        message.description,
        message.admin,
    )


def role_message(value: Role) -> pb.Role:
    return pb.Role(
        id=value.id,
        permissions=sorted(value.permissions),
        includes=sorted(value.includes),
        description=value.description,
        admin=value.admin,
        revision=value.revision,
    )


def tier(message: pb.Tier, field: str = "tier") -> Plan:
    return Plan(
        id=TIER + message.id,
        extends=TIER + message.extends if message.extends else "",
        permissions=frozenset(message.permissions),
        features=tuple(feature(each) for each in message.features),
        limits=_limits(message.limits, field),
        assignable_roles=frozenset(message.assignable_roles),
        description=message.description,
    )


def tier_message(value: Plan) -> pb.Tier:
    return pb.Tier(
        id=value.name,
        extends=value.extends.removeprefix(TIER),
        permissions=sorted(value.permissions),
        features=[feature_message(each) for each in value.features],
        limits=[limit_message(each) for each in value.limits],
        assignable_roles=sorted(value.assignable_roles),
        description=value.description,
        revision=value.revision,
        version=value.version,
    )


def add_on(message: pb.AddOn, field: str = "add_on") -> Plan:
    return Plan(
        id=ADD_ON + message.id,
        permissions=frozenset(message.permissions),
        features=tuple(feature(each) for each in message.features),
        limits=_limits(message.limits, field),
        assignable_roles=frozenset(message.assignable_roles),
        description=message.description,
    )


def add_on_message(value: Plan) -> pb.AddOn:
    return pb.AddOn(
        id=value.name,
        permissions=sorted(value.permissions),
        features=[feature_message(each) for each in value.features],
        limits=[limit_message(each) for each in value.limits],
        assignable_roles=sorted(value.assignable_roles),
        description=value.description,
        revision=value.revision,
    )


def feature(message: pb.Feature) -> Feature:
    if message.WhichOneof("value") == "text":
        return Feature(message.name, message.text, "value")
    return Feature(message.name, "true" if message.enabled else "false")


def feature_message(value: Feature) -> pb.Feature:
    if value.kind == "value":
        return pb.Feature(name=value.name, text=value.value)
    return pb.Feature(name=value.name, enabled=value.value == "true")


def plan_feature_message(value: OfPlan[Feature]) -> pb.PlanFeature:
    return pb.PlanFeature(
        plan=value.plan, feature=feature_message(value.item), plan_revision=value.plan_revision
    )


def limit(message: pb.Limit, field: str = "limit") -> Limit:
    """Read a limit. Neither a value nor unlimited is an error: unset never means unlimited."""
    match message.WhichOneof("amount"):
        case "value":
            return Limit(message.name, message.value, message.unit)
        case "unlimited" if message.unlimited:
            return Limit(message.name, None, message.unit)
    raise InvalidArgument(
        ErrorReason.INVALID_FIELD,
        f"limit {message.name!r} needs a value, or unlimited said outright",
        field=field,
    )


def limit_message(value: Limit) -> pb.Limit:
    if value.value is None:
        return pb.Limit(name=value.name, unlimited=True, unit=value.unit)
    return pb.Limit(name=value.name, value=value.value, unit=value.unit)


def plan_limit_message(value: OfPlan[Limit]) -> pb.PlanLimit:
    return pb.PlanLimit(
        plan=value.plan, limit=limit_message(value.item), plan_revision=value.plan_revision
    )


def _limits(messages: Iterable[pb.Limit], field: str) -> tuple[Limit, ...]:
    return tuple(limit(each, f"{field}.limits[{at}]") for at, each in enumerate(messages))


def policy_set(message: pb.ApplyPolicyRequest) -> PolicySet:
    return PolicySet(
        tuple(permission(each) for each in message.permissions),
        tuple(role(each) for each in message.roles),
        tuple(tier(each, f"tiers[{at}]") for at, each in enumerate(message.tiers)),
        tuple(add_on(each, f"add_ons[{at}]") for at, each in enumerate(message.add_ons)),
    )


def mask(message: FieldMask) -> tuple[str, ...]:
    return tuple(message.paths)


def moved_messages(values: Iterable[Moved]) -> list[pb.Moved]:
    return [pb.Moved(kind=value.kind, count=value.count, names=value.names) for value in values]
