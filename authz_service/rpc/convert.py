"""Messages to values and back. Both directions side by side, no decisions inside."""

from collections.abc import Mapping
from typing import Any, Final, TypeVar, cast

from google.protobuf.timestamp_pb2 import Timestamp

from authz_service.domain.catalogue import TIER, Feature, Limit, Permission, Plan, Role
from authz_service.domain.decision import CLASSES, DecisionReason
from authz_service.domain.exception import EVERYONE, ExceptionKind, TenantException
from authz_service.domain.grant import GrantSource, RoleGrant
from authz_service.domain.membership import MembershipState
from authz_service.domain.policy_set import PolicySet
from authz_service.domain.tenant import SuspensionReason, TenantState
from authz_service.domain.window import BEGINNING, FOREVER, Instant, Window
from authz_service.errors import ErrorReason, InvalidArgument
from authz_service.gen.authz.v1 import authorization_pb2, key_pb2, policy_pb2, provisioning_pb2
from authz_service.usecases.keys import KeyNow
from authz_service.usecases.members import MemberNow, NewMember
from authz_service.usecases.paging import PageRequest
from authz_service.usecases.provisioning import TenantNow

E = TypeVar("E")

_SOURCES: Final = {
    GrantSource.MANUAL: policy_pb2.GRANT_SOURCE_MANUAL,
    GrantSource.CONTRACT: policy_pb2.GRANT_SOURCE_CONTRACT,
    GrantSource.SCIM: policy_pb2.GRANT_SOURCE_SCIM,
    GrantSource.SSO: policy_pb2.GRANT_SOURCE_SSO,
    GrantSource.STAFF: policy_pb2.GRANT_SOURCE_STAFF,
}
_EXCEPTIONS: Final = {
    ExceptionKind.GRANT: policy_pb2.EXCEPTION_KIND_GRANT,
    ExceptionKind.DENY: policy_pb2.EXCEPTION_KIND_DENY,
    ExceptionKind.REPLACE: policy_pb2.EXCEPTION_KIND_REPLACE,
}
_STATES: Final = {
    TenantState.ACTIVE: provisioning_pb2.TENANT_STATE_ACTIVE,
    TenantState.TRIAL: provisioning_pb2.TENANT_STATE_TRIAL,
    TenantState.GRACE: provisioning_pb2.TENANT_STATE_GRACE,
    TenantState.SUSPENDED: provisioning_pb2.TENANT_STATE_SUSPENDED,
    TenantState.OFFBOARDED: provisioning_pb2.TENANT_STATE_OFFBOARDED,
}
_SUSPENSIONS: Final = {
    SuspensionReason.BILLING: provisioning_pb2.SUSPENSION_REASON_BILLING,
    SuspensionReason.ADMIN: provisioning_pb2.SUSPENSION_REASON_ADMIN,
    SuspensionReason.SCIM: provisioning_pb2.SUSPENSION_REASON_SCIM,
    SuspensionReason.RISK: provisioning_pb2.SUSPENSION_REASON_RISK,
}
_MEMBERSHIPS: Final = {
    MembershipState.INVITED: provisioning_pb2.MEMBERSHIP_STATE_INVITED,
    MembershipState.ACTIVE: provisioning_pb2.MEMBERSHIP_STATE_ACTIVE,
    MembershipState.SUSPENDED: provisioning_pb2.MEMBERSHIP_STATE_SUSPENDED,
    MembershipState.REMOVED: provisioning_pb2.MEMBERSHIP_STATE_REMOVED,
}


REASONS: Final = {
    reason: cast("authorization_pb2.DecisionReason.ValueType", reason.value)
    for reason in DecisionReason
}
CLASS_OF: Final = {
    reason: cast("authorization_pb2.ReasonClass.ValueType", CLASSES[reason].value)
    for reason in DecisionReason
}


def _word(words: Mapping[E, int], number: int, unset: E | None, field: str) -> E:
    """Read an enum; `unset` stands for 0.

    Raises:
        InvalidArgument: INVALID_FIELD for 0 without a default, or a number we do not know.
    """
    for word, known in words.items():
        if known == number:
            return word
    if number == 0 and unset is not None:
        return unset
    raise InvalidArgument(
        ErrorReason.INVALID_FIELD, f"{field} must be one of its named values", field=field
    )


def instant(message: Timestamp) -> Instant:
    """Read an instant, cut to the microsecond.

    Out of range stays out of range: the use case that takes it refuses it.
    """
    return message.seconds * 1_000_000 + message.nanos // 1000


def timestamp(at: Instant) -> Timestamp:
    seconds, micros = divmod(at, 1_000_000)
    return Timestamp(seconds=seconds, nanos=micros * 1000)


def window(message: Any) -> Window:
    """Read `valid_from` and `valid_until`; unset is open."""
    return Window(
        instant(message.valid_from) if message.HasField("valid_from") else BEGINNING,
        instant(message.valid_until) if message.HasField("valid_until") else FOREVER,
    )


def window_fields(value: Window) -> dict[str, Timestamp]:
    fields = {}
    if value.valid_from != BEGINNING:
        fields["valid_from"] = timestamp(value.valid_from)
    if value.valid_until != FOREVER:
        fields["valid_until"] = timestamp(value.valid_until)
    return fields


def page(request: Any) -> PageRequest:
    return PageRequest(request.page_size, request.page_token)


def permission(message: policy_pb2.Permission) -> Permission:
    return Permission(message.id, message.internal, message.description)


def permission_message(value: Permission) -> policy_pb2.Permission:
    return policy_pb2.Permission(
        id=value.id, internal=value.internal, description=value.description
    )


def role(message: policy_pb2.Role) -> Role:
    return Role(
        message.id,
        frozenset(message.permissions),
        frozenset(message.includes),
        message.description,
    )


def role_message(value: Role) -> policy_pb2.Role:
    return policy_pb2.Role(
        id=value.id,
        permissions=sorted(value.permissions),
        includes=sorted(value.includes),
        description=value.description,
    )


def tier(message: policy_pb2.Tier) -> Plan:
    return Plan(
        id=TIER + message.id,
        extends=TIER + message.extends if message.extends else "",
        permissions=frozenset(message.permissions),
        features=tuple(_feature(each) for each in message.features),
        limits=tuple(_limit(each) for each in message.limits),
        assignable_roles=frozenset(message.assignable_roles),
        description=message.description,
    )


def tier_message(value: Plan) -> policy_pb2.Tier:
    return policy_pb2.Tier(
        id=value.name,
        extends=value.extends.removeprefix(TIER),
        permissions=sorted(value.permissions),
        features=[feature_message(each) for each in value.features],
        limits=[limit_message(each) for each in value.limits],
        assignable_roles=sorted(value.assignable_roles),
        description=value.description,
    )


def _feature(message: policy_pb2.Feature) -> Feature:
    if message.WhichOneof("value") == "text":
        return Feature(message.name, message.text, "value")
    return Feature(message.name, "true" if message.enabled else "false")


def feature_message(value: Feature) -> policy_pb2.Feature:
    if value.kind == "value":
        return policy_pb2.Feature(name=value.name, text=value.value)
    return policy_pb2.Feature(name=value.name, enabled=value.value == "true")


def _limit(message: policy_pb2.Limit) -> Limit:
    """Read a limit. Neither a value nor unlimited is an error: unset never means unlimited."""
    match message.WhichOneof("amount"):
        case "value":
            return Limit(message.name, message.value, message.unit)
        case "unlimited" if message.unlimited:
            return Limit(message.name, None, message.unit)
    raise InvalidArgument(
        ErrorReason.INVALID_FIELD,
        f"limit {message.name!r} needs a value, or unlimited said outright",
        field="tier.limits",
    )


def limit_message(value: Limit) -> policy_pb2.Limit:
    if value.value is None:
        return policy_pb2.Limit(name=value.name, unlimited=True, unit=value.unit)
    return policy_pb2.Limit(name=value.name, value=value.value, unit=value.unit)


def policy_set(message: policy_pb2.ApplyPolicyRequest) -> PolicySet:
    return PolicySet(
        tuple(permission(each) for each in message.permissions),
        tuple(role(each) for each in message.roles),
        tuple(tier(each) for each in message.tiers),
    )


def source(number: int, field: str = "source") -> GrantSource:
    return _word(_SOURCES, number, GrantSource.MANUAL, field)


def source_filter(number: int) -> GrantSource | None:
    return source(number) if number else None


def role_grant(message: policy_pb2.RoleGrant) -> RoleGrant:
    return RoleGrant(
        tenant=message.tenant,
        subject=message.subject,
        role=message.role,
        scope=message.scope,
        window=window(message),
        source=source(message.source, "role_grant.source"),
        reason=message.reason,
    )


def role_grant_message(value: RoleGrant) -> policy_pb2.RoleGrant:
    return policy_pb2.RoleGrant(
        id=value.id,
        tenant=value.tenant,
        subject=value.subject,
        role=value.role,
        scope=value.scope,
        source=_SOURCES[value.source],
        reason=value.reason,
        **window_fields(value.window),
    )


def exception(message: policy_pb2.TenantException) -> TenantException:
    return TenantException(
        id="",
        tenant=message.tenant,
        kind=_word(_EXCEPTIONS, message.kind, None, "exception.kind"),
        permissions=frozenset(message.permissions),
        subject=message.subject or EVERYONE,
        scope=message.scope,
        window=window(message),
        reason=message.reason,
        approver=message.approver,
    )


def exception_message(value: TenantException) -> policy_pb2.TenantException:
    return policy_pb2.TenantException(
        id=value.id,
        tenant=value.tenant,
        kind=_EXCEPTIONS[value.kind],
        permissions=sorted(value.permissions),
        subject="" if value.subject == EVERYONE else value.subject,
        scope=value.scope,
        reason=value.reason,
        approver=value.approver,
        **window_fields(value.window),
    )


def suspension_reason(number: int) -> SuspensionReason:
    return _word(_SUSPENSIONS, number, SuspensionReason.ADMIN, "suspension_reason")


def tenant_state_filter(number: int) -> TenantState | None:
    return _word(_STATES, number, None, "state") if number else None


def tenant_state_number(value: TenantState) -> provisioning_pb2.TenantState.ValueType:
    return _STATES[value]


def tenant_message(value: TenantNow) -> provisioning_pb2.Tenant:
    return provisioning_pb2.Tenant(
        id=value.id,
        display_name=value.display_name,
        state=_STATES[value.state],
        suspensions=[_SUSPENSIONS[reason] for reason in value.suspensions],
        tier=value.tier,
        add_ons=value.add_ons,
    )


def new_member(message: provisioning_pb2.NewMember) -> NewMember:
    return NewMember(message.subject, tuple(message.roles))


def member_message(value: MemberNow) -> provisioning_pb2.Member:
    return provisioning_pb2.Member(
        tenant=value.tenant,
        subject=value.subject,
        state=_MEMBERSHIPS[value.state],
        suspensions=[_SUSPENSIONS[reason] for reason in value.suspensions],
        roles=value.roles,
    )


def key_message(value: KeyNow) -> key_pb2.Key:
    message = key_pb2.Key(
        id=value.id,
        display_name=value.display_name,
        roles=value.roles,
        tenants=value.tenants,
        create_time=timestamp(value.created_at),
    )
    if value.expires_at != FOREVER:
        message.expire_time.CopyFrom(timestamp(value.expires_at))
    return message
