"""API keys of this service's own callers."""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Final

from authz_service.domain.audit import AuditRecord
from authz_service.domain.key import ApiKey, KeyKind
from authz_service.domain.tenant import SYSTEM
from authz_service.domain.window import Instant
from authz_service.engine.index import Index
from authz_service.errors import ErrorReason, FailedPrecondition, InvalidArgument
from authz_service.store import key_use
from authz_service.store.unit_of_work import Transaction
from authz_service.usecases.callers import caller_changes, system_roles
from authz_service.usecases.callers.caller_changes import CallerFields, UpdateCaller
from authz_service.usecases.callers.keys_now import (
    KeyNow,
    Uses,
    described,
    find,
    key_now,
    later,
)
from authz_service.usecases.kernel.execution import change
from authz_service.usecases.kernel.lockout import require_operable
from authz_service.usecases.kernel.rights import access_of

_DAY: Final = 86_400_000_000
OVERLAP: Final[Instant] = _DAY
MAX_OVERLAP: Final[Instant] = 30 * _DAY

_AT: Final = "key."
"""Leads to the fields of the key in a request."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CreateKey:
    """`secret_hash` is `domain.key.digest` of the secret that the caller keeps; `kind` None
    lets the rights say what kind it is, and `id` "" has one made.
    """

    secret_hash: str
    fields: CallerFields
    kind: KeyKind | None = None
    id: str = ""
    tenant: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class UpdateKey(UpdateCaller):
    uses_here: Uses = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class RotateKey:
    """`overlap` is how long the previous secret stays good, in microseconds."""

    id: str
    secret_hash: str
    overlap: Instant = OVERLAP
    uses_here: Uses = field(default_factory=dict)
    tenant: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class RevokeKey:
    id: str
    previous_only: bool = False
    uses_here: Uses = field(default_factory=dict)
    tenant: str = ""


@change
def create_key(tx: Transaction, command: CreateKey) -> KeyNow:
    return make_key(tx, command)


def make_key(tx: Transaction, command: CreateKey) -> KeyNow:
    """Create a key with its membership and its rights in `system`."""
    fields = command.fields
    caller_changes.check(tx, fields, _AT)
    system_roles.paired(tx, fields.roles, fields.tenants, _AT)
    kind = kind_of(tx.index, fields.roles) if command.kind is None else command.kind
    _require_honest(tx.index, kind, fields.roles, "kind")
    key = ApiKey(
        command.id or f"key-{tx.new_id()}",
        command.secret_hash,
        fields.display_name,
        tx.now,
        fields.expires_at,
        kind,
    )
    caller_changes.enter(tx, key, "key.created", fields, _AT)
    return _now(tx, key_now(key, fields.roles, fields.tenants, 0, tx.now))


def kind_of(index: Index, roles: Iterable[str]) -> KeyKind:
    """Tell by its rights what a key opens: this service itself, customers' accounts, or answers."""
    permissions = frozenset[str]().union(*(index.role_permissions(role) for role in roles))
    if access_of("CreateKey").right in permissions:
        return KeyKind.OPERATOR
    return KeyKind.JOB if access_of("OnboardTenant").right in permissions else KeyKind.APP


@change
def update_key(tx: Transaction, command: UpdateKey) -> KeyNow:
    before = find(tx.index, command.id, "key.id")
    after = caller_changes.amend(tx, before, command, "key.updated", _AT)
    used_at = described(tx.index, after, _uses(tx, command.uses_here), tx.now).last_used_at
    roles, tenants = caller_changes.rights_after(tx, after, command)
    if caller_changes.changes_rights(command):
        rights = system_roles.paired(tx, roles, tenants, _AT)
        _require_honest(tx.index, after.kind, roles, "roles")
        system_roles.hold_only(tx, after.subject, rights, _AT)
    _require_operators(tx, after)
    return _now(tx, key_now(after, roles, tenants, used_at, tx.now))


@change
def rotate_key(tx: Transaction, command: RotateKey) -> KeyNow:
    """Issue a new secret. Rotating again during the overlap ends the oldest secret."""
    key = find(tx.index, command.id)
    if not 0 <= command.overlap <= MAX_OVERLAP:
        raise _wrong("the overlap must be 0 to 30 days", "overlap")
    if tx.now >= key.expires_at:
        raise FailedPrecondition(
            ErrorReason.KEY_EXPIRED,
            f"key {key.id!r} has expired and so would its new secret; "
            "set a later expire_time first, or create another key",
            field="id",
        )
    shown = described(tx.index, key, _uses(tx, command.uses_here), tx.now)
    after = key.rotated(command.secret_hash, tx.now + command.overlap)
    tx.change(key, after)
    tx.record(AuditRecord("key.rotated", SYSTEM, (key.id,), key, after, tx.call.reason))
    return _now(tx, key_now(after, shown.roles, shown.tenants, shown.last_used_at, tx.now))


@change
def revoke_key(tx: Transaction, command: RevokeKey) -> KeyNow:
    """Revoke a key with all its secrets, or only the secret before its last rotation."""
    key = find(tx.index, command.id)
    shown = _now(tx, described(tx.index, key, _uses(tx, command.uses_here), tx.now))
    if command.previous_only:
        return _revoke_previous(tx, key, shown)
    caller_changes.leave(tx, key, "key.revoked")
    _require_operators(tx, key)
    return shown


def _revoke_previous(tx: Transaction, key: ApiKey, shown: KeyNow) -> KeyNow:
    if not key.has_previous(tx.now):
        raise FailedPrecondition(
            ErrorReason.KEY_NOT_ROTATED,
            f"key {key.id!r} has one good secret, its present one; rotate it first, or revoke it",
            field="previous_only",
        )
    after = key.without_previous()
    tx.change(key, after)
    record = AuditRecord("key.previous_revoked", SYSTEM, (key.id,), key, after, tx.call.reason)
    tx.record(record)
    return _now(tx, replace(shown, previous_expires_at=0))


def _require_honest(index: Index, kind: KeyKind, roles: Iterable[str], field: str) -> None:
    """Refuse a key that can operate this service and whose text says that it can do less."""
    operates = kind_of(index, roles) is KeyKind.OPERATOR
    if operates and kind is not KeyKind.OPERATOR:
        raise FailedPrecondition(
            ErrorReason.KEY_KIND_CONFLICT,
            f"a key of kind `{kind}` cannot hold a role that makes keys: whoever finds it leaked "
            "would take it for less than it is; create a key of kind operator for that",
            field=f"{_AT}{field}",
        )


def _require_operators(tx: Transaction, key: ApiKey) -> None:
    """Refuse what would leave nobody to operate the service."""
    try:
        require_operable(tx)
    except FailedPrecondition as locked_out:
        raise FailedPrecondition(
            ErrorReason.LAST_OPERATOR_KEY,
            f"without {key.id!r} as it is no live key could operate the service; create another "
            "operator's key first. Should they all be lost: `authz recover`, on the database",
            field="id",
            details=locked_out.details,
        ) from locked_out


def _now(tx: Transaction, key: KeyNow) -> KeyNow:
    """Add when it was last changed: by this transaction, if that has changed anything."""
    return replace(key, revision=caller_changes.revision_after(tx, key.id))


def _uses(tx: Transaction, uses_here: Uses) -> Uses:
    return later(key_use.read(tx.connection), uses_here)


def _wrong(message: str, field: str) -> InvalidArgument:
    return InvalidArgument(ErrorReason.INVALID_FIELD, message, field=field)
