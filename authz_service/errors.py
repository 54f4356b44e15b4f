"""Every way the service says no.

    AuthzError
    ├── InvalidArgument      the request is wrong whatever the state of the world
    ├── Unauthenticated      no caller could be made out
    ├── PermissionDenied     the caller may not do this
    ├── NotFound             a named thing does not exist
    ├── AlreadyExists        the thing to be made exists, or a request id was used before
    ├── FailedPrecondition   the request is right, the state of the world forbids it
    ├── Aborted              somebody else was faster: read again, decide anew
    ├── ResourceExhausted    too much at once: try again after the time it names
    ├── DeadlineExceeded     the caller did not send in time what it has to send
    ├── Unavailable          try again: a part of the service cannot answer now
    └── Internal             a bug of ours; nothing was changed

The class says what a program does next, the reason says what happened, the message tells a person
what to do about it. `rpc/errors.py` owns the table from class to gRPC code.
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import Any


class ErrorReason(StrEnum):
    """Why a call failed. The same names as `authz.v1.ErrorReason`, where each is documented."""

    INVALID_IDENTIFIER = "INVALID_IDENTIFIER"
    INVALID_FIELD = "INVALID_FIELD"
    INVALID_WINDOW = "INVALID_WINDOW"
    INVALID_PAGE_TOKEN = "INVALID_PAGE_TOKEN"
    BATCH_TOO_LARGE = "BATCH_TOO_LARGE"
    COMMANDS_COLLIDE = "COMMANDS_COLLIDE"
    FINGERPRINT_MISMATCH = "FINGERPRINT_MISMATCH"
    INCLUSION_CYCLE = "INCLUSION_CYCLE"
    INCLUSION_TOO_DEEP = "INCLUSION_TOO_DEEP"
    ROLE_WIDER_THAN_TIER = "ROLE_WIDER_THAN_TIER"
    PERMISSION_DEPRECATED = "PERMISSION_DEPRECATED"
    CREDENTIALS_MISSING = "CREDENTIALS_MISSING"
    CREDENTIALS_INVALID = "CREDENTIALS_INVALID"
    PERMISSION_DENIED = "PERMISSION_DENIED"
    GRANT_EXCEEDS_OWN_RIGHTS = "GRANT_EXCEEDS_OWN_RIGHTS"
    IDENTITY_EXISTS = "IDENTITY_EXISTS"
    IDENTITY_NOT_FOUND = "IDENTITY_NOT_FOUND"
    TENANT_NOT_FOUND = "TENANT_NOT_FOUND"
    MEMBER_NOT_FOUND = "MEMBER_NOT_FOUND"
    PERMISSION_NOT_FOUND = "PERMISSION_NOT_FOUND"
    ROLE_NOT_FOUND = "ROLE_NOT_FOUND"
    TIER_NOT_FOUND = "TIER_NOT_FOUND"
    ROLE_GRANT_NOT_FOUND = "ROLE_GRANT_NOT_FOUND"
    EXCEPTION_NOT_FOUND = "EXCEPTION_NOT_FOUND"
    KEY_NOT_FOUND = "KEY_NOT_FOUND"
    INVITATION_NOT_FOUND = "INVITATION_NOT_FOUND"
    INVITATION_TOKEN_REFUSED = "INVITATION_TOKEN_REFUSED"
    ADD_ON_NOT_FOUND = "ADD_ON_NOT_FOUND"
    FEATURE_NOT_FOUND = "FEATURE_NOT_FOUND"
    LIMIT_NOT_FOUND = "LIMIT_NOT_FOUND"
    TENANT_EXISTS = "TENANT_EXISTS"
    MEMBER_EXISTS = "MEMBER_EXISTS"
    INVITATION_EXISTS = "INVITATION_EXISTS"
    OWNER_EXISTS = "OWNER_EXISTS"
    PERMISSION_EXISTS = "PERMISSION_EXISTS"
    ROLE_EXISTS = "ROLE_EXISTS"
    TIER_EXISTS = "TIER_EXISTS"
    ADD_ON_EXISTS = "ADD_ON_EXISTS"
    FEATURE_EXISTS = "FEATURE_EXISTS"
    LIMIT_EXISTS = "LIMIT_EXISTS"
    ROLE_GRANT_EXISTS = "ROLE_GRANT_EXISTS"
    REQUEST_ID_REUSED = "REQUEST_ID_REUSED"
    NOT_A_MEMBER = "NOT_A_MEMBER"
    ROLE_NOT_ASSIGNABLE = "ROLE_NOT_ASSIGNABLE"
    STAFF_NOT_ALLOWED = "STAFF_NOT_ALLOWED"
    TENANT_RESERVED = "TENANT_RESERVED"
    TENANT_STATE_CONFLICT = "TENANT_STATE_CONFLICT"
    SEATS_EXHAUSTED = "SEATS_EXHAUSTED"
    CHANGESET_OUTDATED = "CHANGESET_OUTDATED"
    CHANGESET_BLOCKED = "CHANGESET_BLOCKED"
    TIER_VERSION_NOT_FOUND = "TIER_VERSION_NOT_FOUND"
    REVISION_MISMATCH = "REVISION_MISMATCH"
    STILL_IN_USE = "STILL_IN_USE"
    OPERATORS_LOCKED_OUT = "OPERATORS_LOCKED_OUT"
    NAME_RESERVED = "NAME_RESERVED"
    LAST_ADMIN = "LAST_ADMIN"
    MEMBER_IS_OWNER = "MEMBER_IS_OWNER"
    MEMBER_MANAGED = "MEMBER_MANAGED"
    MEMBER_STATE_CONFLICT = "MEMBER_STATE_CONFLICT"
    SCHEDULE_IN_PAST = "SCHEDULE_IN_PAST"
    LIMIT_UNIT_MISMATCH = "LIMIT_UNIT_MISMATCH"
    FEATURE_KIND_MISMATCH = "FEATURE_KIND_MISMATCH"
    FEATURE_RANK_CONFLICT = "FEATURE_RANK_CONFLICT"
    FEATURE_SET = "FEATURE_SET"
    INVITATION_SENDER_LACKS_RIGHT = "INVITATION_SENDER_LACKS_RIGHT"
    MEMBER_OUTRANKS = "MEMBER_OUTRANKS"
    TENANT_SUSPENDED = "TENANT_SUSPENDED"
    NOT_THE_OWNER = "NOT_THE_OWNER"
    SCHEDULED_CHANGE_NOT_FOUND = "SCHEDULED_CHANGE_NOT_FOUND"
    TOO_MANY_SCHEDULED = "TOO_MANY_SCHEDULED"
    ADD_ON_HELD = "ADD_ON_HELD"
    ADD_ON_NOT_HELD = "ADD_ON_NOT_HELD"
    LIMIT_NOT_SET = "LIMIT_NOT_SET"
    REVISION_NOT_REACHED = "REVISION_NOT_REACHED"
    DATABASE_UNAVAILABLE = "DATABASE_UNAVAILABLE"
    DATABASE_BEHIND = "DATABASE_BEHIND"
    RATE_LIMITED = "RATE_LIMITED"
    OVERLOADED = "OVERLOADED"
    REPLICA_STALE = "REPLICA_STALE"
    CLOCK_AHEAD = "CLOCK_AHEAD"
    CALL_LOST = "CALL_LOST"
    REVISION_OF_OTHER_HISTORY = "REVISION_OF_OTHER_HISTORY"
    SEALING_KEY_MISSING = "SEALING_KEY_MISSING"
    TOO_MANY_OPEN_CALLS = "TOO_MANY_OPEN_CALLS"
    MESSAGE_NOT_RECEIVED = "MESSAGE_NOT_RECEIVED"
    PLAINTEXT_REFUSED = "PLAINTEXT_REFUSED"
    LAST_OPERATOR_KEY = "LAST_OPERATOR_KEY"
    KEY_KIND_CONFLICT = "KEY_KIND_CONFLICT"
    KEY_NOT_ROTATED = "KEY_NOT_ROTATED"
    KEY_EXPIRED = "KEY_EXPIRED"
    INVALID_BILLING_POLICY = "INVALID_BILLING_POLICY"
    BILLING_PRICE_EXISTS = "BILLING_PRICE_EXISTS"
    BILLING_PRICE_NOT_FOUND = "BILLING_PRICE_NOT_FOUND"
    BILLING_SOURCE_EXISTS = "BILLING_SOURCE_EXISTS"
    EVENT_NOT_FOUND = "EVENT_NOT_FOUND"
    EVENT_SOURCE_NOT_FOUND = "EVENT_SOURCE_NOT_FOUND"
    EVENT_STATE_CONFLICT = "EVENT_STATE_CONFLICT"
    EVENT_SUBJECT_MAPPED = "EVENT_SUBJECT_MAPPED"
    JOB_NOT_FOUND = "JOB_NOT_FOUND"
    JOB_STATE_CONFLICT = "JOB_STATE_CONFLICT"
    ENDPOINT_NOT_FOUND = "ENDPOINT_NOT_FOUND"
    ENDPOINT_URL_REFUSED = "ENDPOINT_URL_REFUSED"
    ENDPOINT_DISABLED = "ENDPOINT_DISABLED"
    TEMPLATE_INVALID = "TEMPLATE_INVALID"
    TEMPLATE_NOT_FOUND = "TEMPLATE_NOT_FOUND"
    TOO_MANY_ENDPOINTS = "TOO_MANY_ENDPOINTS"
    INTERNAL = "INTERNAL"


class AuthzError(Exception):
    """A refusal with a reason for programs and a message for people.

    `field` is the path of the offending request field (`grant.role`), if one field is to blame.
    `details` are short facts a program may want: the id that was looked for, the limit that held.
    """

    def __init__(
        self,
        reason: ErrorReason,
        message: str,
        *,
        field: str = "",
        details: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.reason = reason
        self.message = message
        self.field = field
        self.details = dict(details or {})
        self.others: tuple[AuthzError, ...] = ()

    def __reduce__(self) -> tuple[Any, ...]:
        return _again, (type(self), vars(self))

    def __str__(self) -> str:
        where = f" ({self.field})" if self.field else ""
        return f"{self.reason}{where}: {self.message}"


def _again(kind: type[AuthzError], values: dict[str, Any]) -> AuthzError:
    """Make a refusal of another process anew."""
    refusal = kind.__new__(kind, values["message"])
    vars(refusal).update(values)
    return refusal


class InvalidArgument(AuthzError):
    """The request is wrong whatever the state of the world."""


class Unauthenticated(AuthzError):
    """No caller could be made out."""


class PermissionDenied(AuthzError):
    """The caller may not do this."""


class NotFound(AuthzError):
    """A named thing does not exist."""


class AlreadyExists(AuthzError):
    """The thing to be made exists already."""


class FailedPrecondition(AuthzError):
    """The state of the world forbids it."""


class Aborted(AuthzError):
    """Somebody else was faster: read again, and decide anew."""


class ResourceExhausted(AuthzError):
    """`retry_after` is the time in seconds after which a repeat can be expected to pass."""

    """Too much at once; try again after a while."""

    def __init__(
        self,
        reason: ErrorReason,
        message: str,
        *,
        retry_after: float,
        details: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(reason, message, details=details)
        self.retry_after = retry_after


class DeadlineExceeded(AuthzError):
    """The caller did not send in time what it has to send."""


class Unavailable(AuthzError):
    """A part of the service cannot answer now; try again."""


class Internal(AuthzError):
    """A bug of ours; nothing was changed."""
