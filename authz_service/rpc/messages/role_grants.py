"""Role grants as messages."""

from typing import Final

from authz_service.domain.grant import GrantOrigin, GrantSource, HeldBack, RoleGrant
from authz_service.gen.authz.v1 import role_grant_pb2
from authz_service.rpc.messages.values import window, window_fields, word
from authz_service.rpc.methods import Shown

SOURCES: Final = {
    GrantSource.MANUAL: role_grant_pb2.GRANT_SOURCE_MANUAL,
    GrantSource.CONTRACT: role_grant_pb2.GRANT_SOURCE_CONTRACT,
    GrantSource.SCIM: role_grant_pb2.GRANT_SOURCE_SCIM,
    GrantSource.SSO: role_grant_pb2.GRANT_SOURCE_SSO,
    GrantSource.STAFF: role_grant_pb2.GRANT_SOURCE_STAFF,
}
_ORIGINS: Final = {
    GrantOrigin.GRANTED: role_grant_pb2.GRANT_ORIGIN_GRANTED,
    GrantOrigin.SUBSTITUTE: role_grant_pb2.GRANT_ORIGIN_SUBSTITUTE,
    GrantOrigin.READ_ONLY: role_grant_pb2.GRANT_ORIGIN_READ_ONLY,
}
_HOLD_REASONS: Final = {
    HeldBack.NO: role_grant_pb2.HOLD_REASON_UNSPECIFIED,
    HeldBack.NOT_OFFERED: role_grant_pb2.HOLD_REASON_NOT_OFFERED,
    HeldBack.NO_SEAT: role_grant_pb2.HOLD_REASON_NO_SEAT,
}


def source(number: int, field: str = "source") -> GrantSource:
    return word(SOURCES, number, GrantSource.MANUAL, field)


def source_filter(number: int, field: str = "source") -> GrantSource | None:
    return source(number, field) if number else None


def role_grant(message: role_grant_pb2.RoleGrant, field: str = "role_grant") -> RoleGrant:
    return RoleGrant(
        tenant=message.tenant,
        subject=message.subject,
        role=message.role,
        scope=message.scope,
        window=window(message),
        source=source(message.source, f"{field}.source"),
        reason=message.reason,
    )


def role_grant_message(value: RoleGrant) -> role_grant_pb2.RoleGrant:
    return role_grant_pb2.RoleGrant(
        id=value.id,
        tenant=value.tenant,
        subject=value.subject,
        role=value.role,
        scope=value.scope,
        source=SOURCES[value.source],
        reason=value.reason,
        revision=value.revision,
        origin=_ORIGINS[value.origin],
        substitute_for=value.substitute_for,
        held_back=_HOLD_REASONS[value.held_back],
        **window_fields(value.window),
    )


ROLE_GRANT: Final = Shown("role_grant", "role_grants", role_grant_message)
