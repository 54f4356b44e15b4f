"""Refusals as gRPC statuses: one table from reason to code, proved total by a test."""

from typing import Final

import grpc
from google.protobuf import any_pb2
from google.protobuf.message import Message
from google.rpc import code_pb2, error_details_pb2, status_pb2
from grpc_status import rpc_status

from authz_service.errors import AuthzError, ErrorReason, ResourceExhausted

DOMAIN: Final = "authz.v1"

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
    ErrorReason.INCLUSION_CYCLE: _INVALID,
    ErrorReason.INCLUSION_TOO_DEEP: _INVALID,
    ErrorReason.ROLE_WIDER_THAN_TIER: _PRECONDITION,
    ErrorReason.CREDENTIALS_MISSING: code_pb2.UNAUTHENTICATED,
    ErrorReason.CREDENTIALS_INVALID: code_pb2.UNAUTHENTICATED,
    ErrorReason.PERMISSION_DENIED: code_pb2.PERMISSION_DENIED,
    ErrorReason.TENANT_NOT_FOUND: _NOT_FOUND,
    ErrorReason.MEMBER_NOT_FOUND: _NOT_FOUND,
    ErrorReason.PERMISSION_NOT_FOUND: _NOT_FOUND,
    ErrorReason.ROLE_NOT_FOUND: _NOT_FOUND,
    ErrorReason.TIER_NOT_FOUND: _NOT_FOUND,
    ErrorReason.ROLE_GRANT_NOT_FOUND: _NOT_FOUND,
    ErrorReason.EXCEPTION_NOT_FOUND: _NOT_FOUND,
    ErrorReason.KEY_NOT_FOUND: _NOT_FOUND,
    ErrorReason.TENANT_EXISTS: _EXISTS,
    ErrorReason.MEMBER_EXISTS: _EXISTS,
    ErrorReason.ROLE_GRANT_EXISTS: _EXISTS,
    ErrorReason.REQUEST_ID_REUSED: _EXISTS,
    ErrorReason.NOT_A_MEMBER: _PRECONDITION,
    ErrorReason.ROLE_NOT_ASSIGNABLE: _PRECONDITION,
    ErrorReason.STAFF_NOT_ALLOWED: _PRECONDITION,
    ErrorReason.TENANT_RESERVED: _PRECONDITION,
    ErrorReason.TENANT_STATE_CONFLICT: _PRECONDITION,
    ErrorReason.SEATS_EXHAUSTED: _PRECONDITION,
    ErrorReason.REVISION_NOT_REACHED: code_pb2.UNAVAILABLE,
    ErrorReason.DATABASE_UNAVAILABLE: code_pb2.UNAVAILABLE,
    ErrorReason.DATABASE_BEHIND: _PRECONDITION,
    ErrorReason.RATE_LIMITED: code_pb2.RESOURCE_EXHAUSTED,
    ErrorReason.OVERLOADED: code_pb2.RESOURCE_EXHAUSTED,
    ErrorReason.PLAINTEXT_REFUSED: _PRECONDITION,
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
        violation = error_details_pb2.BadRequest.FieldViolation(
            field=field, description=message, reason=error.reason
        )
        details.append(_packed(error_details_pb2.BadRequest(field_violations=[violation])))
    if isinstance(error, ResourceExhausted):
        details.append(_packed(_retry(error.retry_after)))
    status = status_pb2.Status(code=CODES[error.reason], message=message, details=details)
    return rpc_status.to_status(status)


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
