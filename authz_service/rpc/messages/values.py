"""Messages to values and back. Both directions side by side, no decisions inside."""

from collections.abc import Iterator, Mapping
from dataclasses import fields
from typing import Any, Final, TypeVar, cast

from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp

from authz_service.domain.decision import CLASSES, DecisionReason
from authz_service.domain.exception import EVERYONE, ExceptionKind, TenantException
from authz_service.domain.grant import GrantOrigin, GrantSource, HeldBack, RoleGrant
from authz_service.domain.key import KeyKind
from authz_service.domain.window import BEGINNING, FOREVER, Instant, Window
from authz_service.errors import ErrorReason, InvalidArgument
from authz_service.gen.authz.v1 import (
    authorization_pb2,
    exception_pb2,
    key_pb2,
    role_grant_pb2,
)
from authz_service.rpc.methods import Shown
from authz_service.usecases.callers.keys_now import KeyNow
from authz_service.usecases.kernel.paging import PageRequest
from authz_service.usecases.kernel.point_in_time import Moment

E = TypeVar("E")

_SOURCES: Final = {
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
_EXCEPTIONS: Final = {
    ExceptionKind.GRANT: exception_pb2.EXCEPTION_KIND_GRANT,
    ExceptionKind.DENY: exception_pb2.EXCEPTION_KIND_DENY,
    ExceptionKind.REPLACE: exception_pb2.EXCEPTION_KIND_REPLACE,
}
_KEY_KINDS: Final = {
    KeyKind.APP: key_pb2.KEY_KIND_APP,
    KeyKind.JOB: key_pb2.KEY_KIND_JOB,
    KeyKind.OPERATOR: key_pb2.KEY_KIND_OPERATOR,
    KeyKind.SCIM: key_pb2.KEY_KIND_SCIM,
}


REASONS: Final = {
    reason: cast("authorization_pb2.DecisionReason.ValueType", reason.value)
    for reason in DecisionReason
}
CLASS_OF: Final = {
    reason: cast("authorization_pb2.ReasonClass.ValueType", CLASSES[reason].value)
    for reason in DecisionReason
}


def word(words: Mapping[E, int], number: int, unset: E | None, field: str) -> E:
    """Read an enum; `unset` stands for 0.

    Raises:
        InvalidArgument: INVALID_FIELD for 0 without a default, or a number we do not know.
    """
    for word, existing in words.items():
        if existing == number:
            return word
    if number == 0 and unset is not None:
        return unset
    raise InvalidArgument(
        ErrorReason.INVALID_FIELD, f"{field} must be one of its named values", field=field
    )


def instant(message: Timestamp) -> Instant:
    """Read an instant, cut to the microsecond; `rpc/times.py` has held it to its range."""
    return message.seconds * 1_000_000 + message.nanos // 1000


def timestamp(at: Instant) -> Timestamp:
    seconds, micros = divmod(at, 1_000_000)
    return Timestamp(seconds=seconds, nanos=micros * 1000)


def duration(message: Duration) -> int:
    """Read a duration in microseconds, cut like an instant."""
    return message.seconds * 1_000_000 + message.nanos // 1000


def shared_texts(message: Message, kind: type) -> dict[str, Any]:
    """Read the texts of a message that are fields of a dataclass under the same names."""
    return {name: getattr(message, name) for name in _shared(message, kind)}


def set_shared_texts(message: Message, value: Any) -> None:
    """Write the texts that a message has under the names of a dataclass's fields."""
    for name in _shared(message, type(value)):
        setattr(message, name, getattr(value, name))


def _shared(message: Message, kind: type) -> Iterator[str]:
    names = {field.name for field in fields(kind)}
    for field in message.DESCRIPTOR.fields:
        if field.type == field.TYPE_STRING and field.name in names:
            yield field.name


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


def moment(request: Any) -> Moment:
    """Read `at` and `as_known_at`; unset is now, and the newest."""
    at = instant(request.at) if request.HasField("at") else None
    return Moment(at, request.as_known_at)


def moment_known(request: Any) -> Moment:
    """Read a moment whose revision may be named by an instant, `as_known_at_time`."""
    match, name = moment(request), request.HasField("as_known_at_time")
    known_time = instant(request.as_known_at_time) if name else None
    return Moment(match.at, match.as_known_at, known_time)


def source(number: int, field: str = "source") -> GrantSource:
    return word(_SOURCES, number, GrantSource.MANUAL, field)


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
        source=_SOURCES[value.source],
        reason=value.reason,
        revision=value.revision,
        origin=_ORIGINS[value.origin],
        substitute_for=value.substitute_for,
        held_back=_HOLD_REASONS[value.held_back],
        **window_fields(value.window),
    )


def exception(message: exception_pb2.TenantException) -> TenantException:
    return TenantException(
        id="",
        tenant=message.tenant,
        kind=word(_EXCEPTIONS, message.kind, None, "exception.kind"),
        permissions=frozenset(message.permissions),
        subject=message.subject or EVERYONE,
        scope=message.scope,
        window=window(message),
        reason=message.reason,
        approver=message.approver,
    )


def exception_message(value: TenantException) -> exception_pb2.TenantException:
    return exception_pb2.TenantException(
        id=value.id,
        tenant=value.tenant,
        kind=_EXCEPTIONS[value.kind],
        permissions=sorted(value.permissions),
        subject="" if value.subject == EVERYONE else value.subject,
        scope=value.scope,
        reason=value.reason,
        approver=value.approver,
        revision=value.revision,
        **window_fields(value.window),
    )


ROLE_GRANT: Final = Shown("role_grant", "role_grants", role_grant_message)
EXCEPTION: Final = Shown("exception", "exceptions", exception_message)


def exception_kind_filter(number: int) -> ExceptionKind | None:
    return word(_EXCEPTIONS, number, None, "kind") if number else None


def key_kind(number: int, field: str = "kind") -> KeyKind | None:
    """Read a kind; None for unspecified."""
    return word(_KEY_KINDS, number, None, field) if number else None


def key_message(value: KeyNow) -> key_pb2.Key:
    message = key_pb2.Key(
        id=value.id,
        display_name=value.display_name,
        roles=value.roles,
        tenants=value.tenants,
        create_time=timestamp(value.created_at),
        kind=_KEY_KINDS.get(value.kind, key_pb2.KEY_KIND_UNSPECIFIED),
        revision=value.revision,
    )
    if value.expires_at != FOREVER:
        message.expire_time.CopyFrom(timestamp(value.expires_at))
    if value.previous_expires_at:
        message.previous_expire_time.CopyFrom(timestamp(value.previous_expires_at))
    if value.last_used_at:
        message.last_use_time.CopyFrom(timestamp(value.last_used_at))
    return message
