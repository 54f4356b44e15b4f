"""Refusals as gRPC statuses: one table from reason to code, proved total by a test."""

from typing import Final

import grpc
from google.protobuf import any_pb2
from google.protobuf.message import Message
from google.rpc import code_pb2, error_details_pb2, status_pb2
from grpc_status import rpc_status

from authz_service.errors import AuthzError, ErrorReason, ResourceExhausted

DOMAIN: Final = "authz.v1"

_ROOM: Final = 5000
"""Bytes of all fields at fault together: with the rest of a refusal they stay below 8 KiB."""

_MOST_BYTES: Final = 1000
"""A refusal travels in trailing metadata. gRPC drops all of it beyond 8 KiB, and the message is
in there three times, once percent-encoded."""

_INVALID: Final = code_pb2.INVALID_ARGUMENT
_NOT_FOUND: Final = code_pb2.NOT_FOUND
_EXISTS: Final = code_pb2.ALREADY_EXISTS
_PRECONDITION: Final = code_pb2.FAILED_PRECONDITION

CODES: Final = {
    ErrorReason.INVALID_IDENTIFIER: _INVALID,
    ErrorReason.INVALID_FIELD: _INVALID,
    ErrorReason.INVALID_WINDOW: _INVALID,
    ErrorReason.INVALID_PAGE_TOKEN: _INVALID,
    ErrorReason.BATCH_TOO_LARGE: _INVALID,
    ErrorReason.COMMANDS_COLLIDE: _INVALID,
    ErrorReason.FINGERPRINT_MISMATCH: _INVALID,
    ErrorReason.INCLUSION_CYCLE: _INVALID,
    ErrorReason.INCLUSION_TOO_DEEP: _INVALID,
    ErrorReason.ROLE_WIDER_THAN_TIER: _PRECONDITION,
    ErrorReason.PERMISSION_DEPRECATED: _PRECONDITION,
    ErrorReason.CREDENTIALS_MISSING: code_pb2.UNAUTHENTICATED,
    ErrorReason.CREDENTIALS_INVALID: code_pb2.UNAUTHENTICATED,
    ErrorReason.PERMISSION_DENIED: code_pb2.PERMISSION_DENIED,
    ErrorReason.GRANT_EXCEEDS_OWN_RIGHTS: code_pb2.PERMISSION_DENIED,
    ErrorReason.IDENTITY_EXISTS: _EXISTS,
    ErrorReason.IDENTITY_NOT_FOUND: _NOT_FOUND,
    ErrorReason.TENANT_NOT_FOUND: _NOT_FOUND,
    ErrorReason.MEMBER_NOT_FOUND: _NOT_FOUND,
    ErrorReason.PERMISSION_NOT_FOUND: _NOT_FOUND,
    ErrorReason.ROLE_NOT_FOUND: _NOT_FOUND,
    ErrorReason.TIER_NOT_FOUND: _NOT_FOUND,
    ErrorReason.ROLE_GRANT_NOT_FOUND: _NOT_FOUND,
    ErrorReason.EXCEPTION_NOT_FOUND: _NOT_FOUND,
    ErrorReason.KEY_NOT_FOUND: _NOT_FOUND,
    ErrorReason.INVITATION_NOT_FOUND: _NOT_FOUND,
    ErrorReason.INVITATION_TOKEN_REFUSED: _NOT_FOUND,
    ErrorReason.ADD_ON_NOT_FOUND: _NOT_FOUND,
    ErrorReason.FEATURE_NOT_FOUND: _NOT_FOUND,
    ErrorReason.LIMIT_NOT_FOUND: _NOT_FOUND,
    ErrorReason.TENANT_EXISTS: _EXISTS,
    ErrorReason.MEMBER_EXISTS: _EXISTS,
    ErrorReason.INVITATION_EXISTS: _EXISTS,
    ErrorReason.OWNER_EXISTS: _EXISTS,
    ErrorReason.PERMISSION_EXISTS: _EXISTS,
    ErrorReason.ROLE_EXISTS: _EXISTS,
    ErrorReason.TIER_EXISTS: _EXISTS,
    ErrorReason.ADD_ON_EXISTS: _EXISTS,
    ErrorReason.FEATURE_EXISTS: _EXISTS,
    ErrorReason.LIMIT_EXISTS: _EXISTS,
    ErrorReason.ROLE_GRANT_EXISTS: _EXISTS,
    ErrorReason.REQUEST_ID_REUSED: _EXISTS,
    ErrorReason.NOT_A_MEMBER: _PRECONDITION,
    ErrorReason.ROLE_NOT_ASSIGNABLE: _PRECONDITION,
    ErrorReason.STAFF_NOT_ALLOWED: _PRECONDITION,
    ErrorReason.TENANT_RESERVED: _PRECONDITION,
    ErrorReason.TENANT_STATE_CONFLICT: _PRECONDITION,
    ErrorReason.SEATS_EXHAUSTED: _PRECONDITION,
    ErrorReason.CHANGESET_OUTDATED: code_pb2.ABORTED,
    ErrorReason.CHANGESET_BLOCKED: _PRECONDITION,
    ErrorReason.TIER_VERSION_NOT_FOUND: _NOT_FOUND,
    ErrorReason.REVISION_MISMATCH: code_pb2.ABORTED,
    ErrorReason.STILL_IN_USE: _PRECONDITION,
    ErrorReason.OPERATORS_LOCKED_OUT: _PRECONDITION,
    ErrorReason.NAME_RESERVED: _PRECONDITION,
    ErrorReason.LAST_ADMIN: _PRECONDITION,
    ErrorReason.MEMBER_IS_OWNER: _PRECONDITION,
    ErrorReason.MEMBER_MANAGED: _PRECONDITION,
    ErrorReason.MEMBER_STATE_CONFLICT: _PRECONDITION,
    ErrorReason.SCHEDULE_IN_PAST: _PRECONDITION,
    ErrorReason.LIMIT_UNIT_MISMATCH: _PRECONDITION,
    ErrorReason.FEATURE_KIND_MISMATCH: _PRECONDITION,
    ErrorReason.FEATURE_RANK_CONFLICT: _PRECONDITION,
    ErrorReason.FEATURE_SET: _EXISTS,
    ErrorReason.INVITATION_SENDER_LACKS_RIGHT: _PRECONDITION,
    ErrorReason.MEMBER_OUTRANKS: code_pb2.PERMISSION_DENIED,
    ErrorReason.TENANT_SUSPENDED: _PRECONDITION,
    ErrorReason.NOT_THE_OWNER: code_pb2.PERMISSION_DENIED,
    ErrorReason.SCHEDULED_CHANGE_NOT_FOUND: _NOT_FOUND,
    ErrorReason.TOO_MANY_SCHEDULED: _PRECONDITION,
    ErrorReason.ADD_ON_HELD: _EXISTS,
    ErrorReason.ADD_ON_NOT_HELD: _NOT_FOUND,
    ErrorReason.LIMIT_NOT_SET: _NOT_FOUND,
    ErrorReason.REVISION_NOT_REACHED: code_pb2.UNAVAILABLE,
    ErrorReason.DATABASE_UNAVAILABLE: code_pb2.UNAVAILABLE,
    ErrorReason.REPLICA_STALE: code_pb2.UNAVAILABLE,
    ErrorReason.CLOCK_AHEAD: code_pb2.UNAVAILABLE,
    ErrorReason.CALL_LOST: code_pb2.UNAVAILABLE,
    ErrorReason.REVISION_OF_OTHER_HISTORY: code_pb2.FAILED_PRECONDITION,
    ErrorReason.DATABASE_BEHIND: _PRECONDITION,
    ErrorReason.RATE_LIMITED: code_pb2.RESOURCE_EXHAUSTED,
    ErrorReason.OVERLOADED: code_pb2.RESOURCE_EXHAUSTED,
    ErrorReason.SEALING_KEY_MISSING: _PRECONDITION,
    ErrorReason.TOO_MANY_OPEN_CALLS: code_pb2.RESOURCE_EXHAUSTED,
    ErrorReason.MESSAGE_NOT_RECEIVED: code_pb2.DEADLINE_EXCEEDED,
    ErrorReason.PLAINTEXT_REFUSED: _PRECONDITION,
    ErrorReason.LAST_OPERATOR_KEY: _PRECONDITION,
    ErrorReason.KEY_KIND_CONFLICT: _PRECONDITION,
    ErrorReason.KEY_NOT_ROTATED: _PRECONDITION,
    ErrorReason.KEY_EXPIRED: _PRECONDITION,
    ErrorReason.INVALID_BILLING_POLICY: _PRECONDITION,
    ErrorReason.BILLING_PRICE_EXISTS: _EXISTS,
    ErrorReason.BILLING_PRICE_NOT_FOUND: _NOT_FOUND,
    ErrorReason.BILLING_SOURCE_EXISTS: _EXISTS,
    ErrorReason.EVENT_NOT_FOUND: _NOT_FOUND,
    ErrorReason.EVENT_SOURCE_NOT_FOUND: _NOT_FOUND,
    ErrorReason.EVENT_STATE_CONFLICT: _PRECONDITION,
    ErrorReason.EVENT_SUBJECT_MAPPED: _EXISTS,
    ErrorReason.JOB_NOT_FOUND: _NOT_FOUND,
    ErrorReason.JOB_STATE_CONFLICT: _PRECONDITION,
    ErrorReason.ENDPOINT_NOT_FOUND: _NOT_FOUND,
    ErrorReason.ENDPOINT_URL_REFUSED: _INVALID,
    ErrorReason.ENDPOINT_DISABLED: _PRECONDITION,
    ErrorReason.TEMPLATE_INVALID: _INVALID,
    ErrorReason.TEMPLATE_NOT_FOUND: _NOT_FOUND,
    ErrorReason.TOO_MANY_ENDPOINTS: _PRECONDITION,
    ErrorReason.INTERNAL: code_pb2.INTERNAL,
}


def to_status(error: AuthzError, call_id: str) -> grpc.Status:
    """Write a refusal as a status with `ErrorInfo`; for a field, `BadRequest`; else `RetryInfo`."""
    message, field = _cut(error.message), _cut(error.field)
    facts = {name: _cut(value) for name, value in error.details.items()}
    metadata = {**facts, "call_id": call_id}
    info = error_details_pb2.ErrorInfo(reason=error.reason, domain=DOMAIN, metadata=metadata)
    details = [_packed(info)]
    if field:
        details.append(_packed(_bad_request(error)))
    if isinstance(error, ResourceExhausted):
        details.append(_packed(_retry(error.retry_after)))
    status = status_pb2.Status(code=CODES[error.reason], message=message, details=details)
    return rpc_status.to_status(status)


def _bad_request(error: AuthzError) -> error_details_pb2.BadRequest:
    """Name every field at fault, as many as the status has room for."""
    bad = error_details_pb2.BadRequest()
    for authz_error in (error, *error.others):
        bad.field_violations.add(
            field=_cut(authz_error.field),
            description=_cut(authz_error.message),
            reason=authz_error.reason,
        )
        if len(bad.field_violations) > 1 and bad.ByteSize() > _ROOM:
            del bad.field_violations[-1]
            break
    return bad


def _cut(text: str) -> str:
    """Shorten a text that may repeat what a caller sent."""
    content = text.encode()
    if len(content) <= _MOST_BYTES:
        return text
    return content[: _MOST_BYTES - 3].decode(errors="ignore") + "..."


def _retry(seconds: float) -> error_details_pb2.RetryInfo:
    info = error_details_pb2.RetryInfo()
    info.retry_delay.FromNanoseconds(round(seconds * 1e9))
    return info


def _packed(message: Message) -> any_pb2.Any:
    packed = any_pb2.Any()
    packed.Pack(message)
    return packed
