"""The service's own policy in the database: it becomes what the release that runs has it be."""

from collections.abc import Iterator, Set
from dataclasses import replace
from typing import Final, assert_never

from authz_service.domain.audit import Actor, AuditRecord
from authz_service.domain.call import Call
from authz_service.domain.catalog import Permission, Plan, Role
from authz_service.domain.change import Fact, FactChange, ScheduledChangeset
from authz_service.domain.exception import TenantException
from authz_service.domain.grant import RoleGrant
from authz_service.domain.invitation import Invitation
from authz_service.domain.kept import Kept
from authz_service.domain.membership import Membership
from authz_service.domain.own_policy import PERMISSIONS, RIGHTS, ROLES, is_own
from authz_service.domain.tenant import SYSTEM, Tenant
from authz_service.engine.index import Index
from authz_service.errors import ErrorReason, FailedPrecondition
from authz_service.store.unit_of_work import Store, Transaction
from authz_service.usecases.catalog.references import uses

SEEDER: Final = Actor("service:authz")
"""The service itself, in the audit."""

_NAMED: Final = 5
"""Rights that a refusal names."""


def require_declared(index: Index) -> None:
    """Check that every right that this release asks for is declared.

    Raises:
        FailedPrecondition: DATABASE_BEHIND.
    """
    if missing := sorted(RIGHTS.keys() - index.permissions.keys()):
        raise FailedPrecondition(
            ErrorReason.DATABASE_BEHIND,
            f"the database lacks {len(missing)} right(s) of this release: "
            f"{', '.join(missing[:_NAMED])}; run `authz migrate` first",
        )


def declare(store: Store, reason: str, *, validate_only: bool = False) -> tuple[str, ...]:
    """Make the service's own permissions and roles those of this release; name what changes."""
    with store.transaction(Call(SEEDER, reason=reason, validate_only=validate_only)) as tx:
        return declare_in(tx)


def declare_in(tx: Transaction) -> tuple[str, ...]:
    """Do so as a part of a transaction.

    What another release had goes, also out of what people made of it; else that stays as it is.
    """
    changes = [*_renewals(tx.index), *_withdrawals(tx)]
    for change in changes:
        tx.change(change.before, change.after)
    own = (change.fact for change in changes if isinstance(change.fact, Permission | Role))
    names = tuple(sorted(fact.id for fact in own if is_own(fact.id)))
    if names:
        tx.record(AuditRecord("own_policy.declared", SYSTEM, names, reason=tx.call.reason))
    return names


def _renewals(index: Index) -> Iterator[FactChange]:
    for permission in PERMISSIONS:
        declared = index.permissions.get(permission.id)
        if declared is None or declared.fact != permission:
            yield FactChange(declared.fact if declared else None, permission)
    for role in ROLES:
        present = index.roles.get(role.id)
        if present is None or present.fact != role:
            yield FactChange(present.fact if present else None, role)


def _withdrawals(tx: Transaction) -> Iterator[FactChange]:
    """End what this release does not have, after it was taken out of all that names it."""
    facts: list[Permission | Role] = [entry.fact for entry in tx.index.permissions.values()]
    facts += [entry.fact for entry in tx.index.roles.values()]
    current = RIGHTS.keys() | {role.id for role in ROLES}
    roles = [fact for fact in facts if is_own(fact.id) and fact.id not in current]
    ids = {fact.id for fact in roles}
    users = dict.fromkeys(use.fact for fact in roles for use in uses(tx, fact, ""))
    for user in users:
        if not (isinstance(user, Role) and is_own(user.id)):
            yield FactChange(user, _without(user, ids))
    yield from (FactChange(fact, None) for fact in roles)


def _without(fact: Fact, missing: Set[str]) -> Fact | None:
    """Take names out of a fact; one that is nothing without them ends."""
    match fact:
        case Role(permissions=permissions, includes=includes):
            return replace(fact, permissions=permissions - missing, includes=includes - missing)
        case Plan(assignable_roles=roles):
            return replace(fact, assignable_roles=roles - missing)
        case Permission():
            return replace(fact, replaced_by="")
        case TenantException(permissions=permissions) if permissions - missing:
            return replace(fact, permissions=permissions - missing)
        case Invitation(roles=roles) if set(roles) - missing:
            return replace(fact, roles=tuple(role for role in roles if role not in missing))
        case TenantException() | Invitation() | RoleGrant():
            return None
        case Tenant() | Membership() | ScheduledChangeset() | Kept():
            raise TypeError(f"{type(fact).__name__} names neither a permission nor a role")
        case _:
            assert_never(fact)
