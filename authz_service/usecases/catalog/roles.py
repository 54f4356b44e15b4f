"""Roles: named sets of permissions, global or a tenant's own."""

from dataclasses import dataclass
from typing import Final

from authz_service.domain.catalog import Role
from authz_service.domain.change import Revision
from authz_service.domain.policy_set import PolicySet
from authz_service.errors import ErrorReason, InvalidArgument
from authz_service.store.unit_of_work import Transaction
from authz_service.usecases.catalog import validation
from authz_service.usecases.catalog.deletion import Deleted, delete
from authz_service.usecases.catalog.objects import (
    Named,
    require_absent,
    require_revision,
    updated,
    write,
)
from authz_service.usecases.kernel import paging, preconditions
from authz_service.usecases.kernel.execution import View, change, read
from authz_service.usecases.kernel.lockout import require_operable
from authz_service.usecases.kernel.paging import Page, PageRequest
from authz_service.usecases.kernel.rights import require_not_own

UPDATABLE: Final = ("permissions", "includes", "description", "admin")


@dataclass(frozen=True, slots=True, kw_only=True)
class CreateRole:
    role: Role

    @property
    def tenant(self) -> str:
        return self.role.tenant


@dataclass(frozen=True, slots=True, kw_only=True)
class PutRole:
    role: Role
    expected_revision: Revision = 0

    @property
    def tenant(self) -> str:
        return self.role.tenant


@dataclass(frozen=True, slots=True, kw_only=True)
class UpdateRole:
    """Only the fields that `mask` names are taken from `role`."""

    role: Role
    mask: tuple[str, ...]
    expected_revision: Revision = 0

    @property
    def tenant(self) -> str:
        return self.role.tenant


@dataclass(frozen=True, slots=True, kw_only=True)
class DeleteRole:
    id: str
    replacement: str = ""
    expected_revision: Revision = 0

    @property
    def tenant(self) -> str:
        return Role(self.id).tenant


@dataclass(frozen=True, slots=True, kw_only=True)
class ListRoles:
    """`tenant` "" lists the global roles; the other filters take "" for any."""

    page: PageRequest
    tenant: str = ""
    permission: str = ""
    prefix: str = ""


@change
def create_role(tx: Transaction, command: CreateRole) -> Role:
    before = _found(tx, command.role.id)
    require_absent(before, ErrorReason.ROLE_EXISTS, f"role {command.role.id!r}", "role.id")
    return _write(tx, before, command.role)


@change
def put_role(tx: Transaction, command: PutRole) -> Role:
    before = _found(tx, command.role.id)
    require_revision(before, command.expected_revision, f"role {command.role.id!r}")
    return _write(tx, before, command.role)


@change
def update_role(tx: Transaction, command: UpdateRole) -> Role:
    before = preconditions.role(tx.index, command.role.id, "role.id").fact
    require_revision(before, command.expected_revision, f"role {before.id!r}")
    return _write(tx, before, updated(before, command.role, command.mask, UPDATABLE))


@change
def delete_role(tx: Transaction, command: DeleteRole) -> Deleted[Role]:
    going = preconditions.role(tx.index, command.id, "id").fact
    require_revision(going, command.expected_revision, f"role {going.id!r}")
    require_not_own(going.id, "id")
    if command.replacement:
        _require_fit(tx, going, command.replacement)
    return delete(tx, "role", going, command.replacement)


@read
def get_role(view: View, query: Named) -> Role:
    return preconditions.role(view.index, query.id, "id").fact


@read
def list_roles(view: View, query: ListRoles) -> Page[Role]:
    entries = view.index.roles
    if query.tenant:
        preconditions.tenant(view.index, query.tenant)
        owner = view.index.tenants.get(query.tenant)
        entries = dict(owner.own_roles) if owner is not None else {}
    permission = None
    if query.permission:
        permission = view.index.permissions[
            preconditions.permission(view.index, query.permission, "permission")
        ]
    facts = [
        entry.fact
        for name, entry in sorted(entries.items())
        if name.startswith(query.prefix) and (permission is None or entry.holds(permission))
    ]
    filters = ["roles", query.tenant, query.permission, query.prefix]
    return paging.page(facts, lambda fact: fact.id, query.page, filters)


def _found(tx: Transaction, name: str) -> Role | None:
    entry = tx.index.role(name)
    return entry.fact if entry is not None else None


def _write(tx: Transaction, before: Role | None, after: Role) -> Role:
    if after.tenant:
        validation.check_own_role(tx, after)
    else:
        validation.check(tx.index, PolicySet(roles=(after,)), "role")
    validation.check_inclusion(tx.index, [after], "role.includes")
    validation.check_deprecated(tx.index, before, after, "role.permissions")
    now = write(tx, "role", before, after)
    require_operable(tx)
    return now


def _require_fit(tx: Transaction, going: Role, replacement: str) -> None:
    """Check that a role can stand wherever the other stands.

    Raises:
        NotFound: ROLE_NOT_FOUND.
        InvalidArgument: INVALID_FIELD, if it is one tenant's own and the other is not.
    """
    if preconditions.role_owner(replacement, "replacement") not in ("", going.tenant):
        raise InvalidArgument(
            ErrorReason.INVALID_FIELD,
            f"{replacement!r} is a tenant's own role, and {going.id!r} is not of that tenant; "
            "name a global one",
            field="replacement",
        )
    preconditions.role(tx.index, replacement, "replacement")
