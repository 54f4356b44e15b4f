"""What keys and identities share: callers are members of `system` with roles granted there."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass, replace
from typing import Final, TypeVar

from authz_service.domain.audit import AuditRecord
from authz_service.domain.change import Revision
from authz_service.domain.identity import Identity
from authz_service.domain.key import ApiKey
from authz_service.domain.membership import Membership
from authz_service.domain.tenant import SYSTEM
from authz_service.domain.window import FOREVER, Instant, Window
from authz_service.store.member_revisions import caller_revisions
from authz_service.store.unit_of_work import Transaction
from authz_service.usecases.callers import system_roles
from authz_service.usecases.kernel import field_masks, preconditions

C = TypeVar("C", ApiKey, Identity)

UPDATABLE: Final = frozenset({"display_name", "expire_time", "roles", "tenants"})


@dataclass(frozen=True, slots=True, kw_only=True)
class CallerFields:
    """What a request says of a caller. `roles` are held for `tenants`, for all if none is named."""

    display_name: str = ""
    expires_at: Instant = FOREVER
    roles: tuple[str, ...] = ()
    tenants: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class UpdateCaller:
    """`mask` names the fields of `UPDATABLE` that are to be as they are in `fields`."""

    id: str
    fields: CallerFields
    mask: tuple[str, ...]
    expected_revision: Revision = 0
    tenant: str = ""


def check(tx: Transaction, fields: CallerFields, at: str) -> None:
    """Check the name and the end of a caller; `at` leads to the request's fields.

    Raises:
        InvalidArgument: the name is too long or the end is not in the future.
    """
    preconditions.text(fields.display_name, f"{at}display_name", at_most=200)
    Window(tx.now, fields.expires_at).checked(f"{at}expire_time")


def enter(tx: Transaction, caller: C, action: str, fields: CallerFields, at: str) -> None:
    """Make a caller, its membership in `system` and its rights there."""
    rights = system_roles.paired(tx, fields.roles, fields.tenants, at)
    tx.change(None, caller)
    tx.change(None, Membership(SYSTEM, caller.subject))
    tx.record(AuditRecord(action, SYSTEM, (caller.id,), None, caller, tx.call.reason))
    system_roles.give_all(tx, caller.subject, rights, at)


def leave(tx: Transaction, caller: C, action: str) -> None:
    """End a caller, its rights and its membership in `system`."""
    system_roles.take_all(tx, caller.subject)
    tx.change(Membership(SYSTEM, caller.subject), None)
    tx.change(caller, None)
    tx.record(AuditRecord(action, SYSTEM, (caller.id,), caller, None, tx.call.reason))


def amend(tx: Transaction, before: C, command: UpdateCaller, action: str, at: str) -> C:
    """Change the name and the end of a caller, as far as the mask names them."""
    mask = named(command)
    field_masks.unchanged(revision(tx, before.id), command.expected_revision)
    fields = command.fields
    after = before
    if "display_name" in mask:
        name = preconditions.text(fields.display_name, f"{at}display_name", at_most=200)
        after = replace(after, display_name=name)
    if "expire_time" in mask:
        Window(tx.now, fields.expires_at).checked(f"{at}expire_time")
        after = replace(after, expires_at=fields.expires_at)
    if after != before:
        tx.change(before, after)
        tx.record(AuditRecord(action, SYSTEM, (after.id,), before, after, tx.call.reason))
    return after


def rights_after(
    tx: Transaction, caller: C, command: UpdateCaller
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Tell the roles and tenants that a caller has once the mask is applied."""
    roles, tenants = system_roles.held(tx.index, caller.subject)
    mask = named(command)
    roles = command.fields.roles if "roles" in mask else roles
    tenants = command.fields.tenants if "tenants" in mask else tenants
    return in_order(roles), in_order(tenants)


def changes_rights(command: UpdateCaller) -> bool:
    return not {"roles", "tenants"}.isdisjoint(named(command))


def named(command: UpdateCaller) -> Collection[str]:
    """Name the fields that the mask names. Raises: INVALID_FIELD."""
    return field_masks.checked(command.mask, UPDATABLE)


def in_order(names: Iterable[str]) -> tuple[str, ...]:
    return tuple(sorted(set(names)))


def revision(tx: Transaction, caller_id: str) -> Revision:
    """Tell which revision last changed a caller or its rights, before this transaction."""
    return caller_revisions(tx.connection, [caller_id], tx.index.revision).get(caller_id, 0)


def revision_after(tx: Transaction, caller_id: str) -> Revision:
    """Tell which revision will have changed it last: this one, if it changes anything."""
    return tx.revision if tx.changes else revision(tx, caller_id)
