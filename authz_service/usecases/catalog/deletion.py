"""Deleting what can be sold and granted: refused while in use, unless a replacement steps in."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final, Generic, TypeVar, assert_never

from authz_service.domain.audit import AuditRecord
from authz_service.domain.audit_changes import tenant_of
from authz_service.domain.billing_part import BillingPart
from authz_service.domain.catalog import Permission, Plan, Role
from authz_service.domain.change import Fact, Revision, ScheduledChangeset
from authz_service.domain.exception import TenantException
from authz_service.domain.grant import RoleGrant
from authz_service.domain.invitation import Invitation
from authz_service.domain.kept import Kept
from authz_service.domain.membership import Membership
from authz_service.domain.tenant import SYSTEM, Tenant
from authz_service.errors import ErrorReason, FailedPrecondition, InvalidArgument
from authz_service.store.facts import Facts
from authz_service.store.filters import GrantFilter
from authz_service.store.unit_of_work import Transaction
from authz_service.usecases.catalog import objects
from authz_service.usecases.catalog.objects import owner_of
from authz_service.usecases.catalog.references import Use, UseKind, uses
from authz_service.usecases.catalog.replacement_rules import require_valid
from authz_service.usecases.kernel.lockout import require_operable

P = TypeVar("P", bound=Permission | Role | Plan)

MAX_NAMES: Final = 100
"""Names that an answer lists of each kind; a refusal lists five, its metadata have little room."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DeleteObject:
    """`replacement` "" stands for none; an `expected_revision` of 0 takes the object as it is."""

    id: str
    replacement: str = ""
    expected_revision: Revision = 0
    tenant: str = ""


@dataclass(frozen=True, slots=True)
class Moved:
    """Objects of one kind that were moved to the replacement: all counted, the first named."""

    kind: UseKind
    count: int
    names: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Deleted(Generic[P]):
    """The object as it was, and what was moved."""

    object: P
    moved: tuple[Moved, ...] = ()


def delete(tx: Transaction, kind: str, definition: P, replacement: str) -> Deleted[P]:
    """End an object, and let `replacement`, which exists, take its place wherever it is used.

    Raises:
        FailedPrecondition: STILL_IN_USE without a replacement; TENANT_RESERVED, if the tenant
            `system` uses it; an invariant that the move would break; OPERATORS_LOCKED_OUT.
        InvalidArgument: the move would leave a definition invalid.
    """
    if replacement == definition.id:
        raise InvalidArgument(
            ErrorReason.INVALID_FIELD, "nothing replaces itself: name another", field="replacement"
        )
    users = list(uses(tx, definition, replacement))
    if users and not replacement:
        raise _in_use(kind, definition, users)
    _require_no_caller(users)
    _move(tx, users)
    objects.end(tx, kind, definition)
    if users:
        require_valid(tx, users)
    require_operable(tx)
    return Deleted(definition, _tally(users))


def _move(tx: Transaction, users: Iterable[Use]) -> None:
    """Replace every user by its successor; a grant whose like is there already ends."""
    present: set[tuple[Any, ...]] | None = None
    for use in users:
        if not isinstance(use.successor, RoleGrant):
            _replace(tx, use.fact, use.successor)
            continue
        if present is None:
            same_role = GrantFilter(role=use.successor.role)
            others = Facts(tx.connection).role_grants(None, same_role)
            present = {_likeness(other) for other in others}
        _replace(tx, use.fact, None if _likeness(use.successor) in present else use.successor)


def _replace(tx: Transaction, before: Fact, after: Fact | None) -> None:
    tx.change(before, after)
    action, tenant, target = _audited_as(before)
    if after is None:
        action = "role.revoked"
    tx.record(AuditRecord(action, tenant, (target,), before, after, tx.call.reason))


def _audited_as(fact: Fact) -> tuple[str, str, str]:
    """Say under which action, in whose chain and of what a moved fact is audited."""
    match fact:
        case Permission():
            return "permission.updated", SYSTEM, fact.id
        case Role():
            return "role.updated", owner_of(fact), fact.id
        case Plan():
            return f"{fact.kind.replace('-', '_')}.updated", SYSTEM, fact.id
        case RoleGrant():
            return "role.moved", fact.tenant, fact.subject
        case TenantException():
            return "exception.moved", fact.tenant, fact.id
        case Invitation():
            return "invitation.moved", fact.tenant, fact.id
        case Tenant():
            return "tenant.plan_moved", fact.id, fact.id
        case BillingPart():
            return f"{fact.MESSAGE}.updated", SYSTEM, fact.id
        case Membership() | ScheduledChangeset() | Kept():
            raise TypeError(f"{type(fact).__name__} names nothing that can be deleted")
        case _:
            assert_never(fact)


def _likeness(grant: RoleGrant) -> tuple[Any, ...]:
    """Give what makes two grants of one role the same."""
    return grant.tenant, grant.subject, grant.scope, grant.window, grant.source, grant.held_back


def _require_no_caller(users: Iterable[Use]) -> None:
    """Refuse to move what the tenant `system` holds: that would give keys other rights."""
    for use in users:
        if isinstance(use.fact, RoleGrant | Tenant) and tenant_of(use.fact) == SYSTEM:
            raise FailedPrecondition(
                ErrorReason.TENANT_RESERVED,
                "the tenant `system`, whose members are keys, uses it, and only KeyService "
                "changes what keys may do; give those keys other roles first",
                field="replacement",
            )


def _in_use(
    kind: str, definition: Permission | Role | Plan, users: Iterable[Use]
) -> FailedPrecondition:
    name = definition.name if isinstance(definition, Plan) else definition.id
    counts = [
        (moved.kind.value, moved.count, ", ".join(moved.names[:5])) for moved in _tally(users)
    ]
    by = "; ".join(f"{count} {user}{'s' * (count > 1)} ({some})" for user, count, some in counts)
    return FailedPrecondition(
        ErrorReason.STILL_IN_USE,
        f"{kind.replace('_', '-')} {name!r} is used by {by}: remove it there first, or name a "
        "replacement",
        field="id",
        details={user.replace(" ", "_"): f"{count}: {some}" for user, count, some in counts},
    )


def _tally(users: Iterable[Use]) -> tuple[Moved, ...]:
    names: dict[UseKind, list[str]] = {}
    for use in users:
        names.setdefault(use.kind, []).append(use.name)
    return tuple(
        Moved(kind, len(of_kind), tuple(of_kind[:MAX_NAMES])) for kind, of_kind in names.items()
    )
