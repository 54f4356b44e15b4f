"""The catalogue of permissions: all that can be asked."""

from dataclasses import dataclass
from typing import Final

from authz_service.domain.catalog import Permission
from authz_service.domain.change import Revision
from authz_service.domain.identifiers import checked
from authz_service.domain.policy_set import PolicySet
from authz_service.engine.index import Index
from authz_service.errors import ErrorReason
from authz_service.store.unit_of_work import Transaction
from authz_service.usecases.catalog import validation
from authz_service.usecases.catalog.deletion import Deleted, DeleteObject, delete
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

UPDATABLE: Final = ("internal", "description", "deprecated", "replaced_by")


@dataclass(frozen=True, slots=True, kw_only=True)
class CreatePermission:
    permission: Permission
    tenant: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class PutPermission:
    permission: Permission
    expected_revision: Revision = 0
    tenant: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class UpdatePermission:
    """Only the fields that `mask` names are taken from `permission`."""

    permission: Permission
    mask: tuple[str, ...]
    expected_revision: Revision = 0
    tenant: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ListCatalogue:
    """`resource_type` "" and None of a flag stand for any."""

    page: PageRequest
    resource_type: str = ""
    internal: bool | None = None
    deprecated: bool | None = None
    tenant: str = ""


@change
def create_permission(tx: Transaction, command: CreatePermission) -> Permission:
    name = command.permission.id
    before = _found(tx.index, name)
    require_absent(before, ErrorReason.PERMISSION_EXISTS, f"permission {name!r}", "permission.id")
    return _write(tx, before, command.permission)


@change
def put_permission(tx: Transaction, command: PutPermission) -> Permission:
    before = _found(tx.index, command.permission.id)
    require_revision(before, command.expected_revision, f"permission {command.permission.id!r}")
    return _write(tx, before, command.permission)


@change
def update_permission(tx: Transaction, command: UpdatePermission) -> Permission:
    name = preconditions.permission(tx.index, command.permission.id, "permission.id")
    before = tx.index.permissions[name].fact
    require_revision(before, command.expected_revision, f"permission {name!r}")
    return _write(tx, before, updated(before, command.permission, command.mask, UPDATABLE))


@change
def delete_permission(tx: Transaction, command: DeleteObject) -> Deleted[Permission]:
    name = preconditions.permission(tx.index, command.id, "id")
    if command.replacement:
        preconditions.permission(tx.index, command.replacement, "replacement")
    before = tx.index.permissions[name].fact
    require_revision(before, command.expected_revision, f"permission {name!r}")
    require_not_own(name, "id")
    return delete(tx, "permission", before, command.replacement)


@read
def get_permission(view: View, query: Named) -> Permission:
    name = preconditions.permission(view.index, query.id, "id")
    return view.index.permissions[name].fact


@read
def list_catalogue(view: View, query: ListCatalogue) -> Page[Permission]:
    kind = query.resource_type
    if kind:
        checked("resource_type", kind)
    facts = [
        entry.fact
        for name, entry in sorted(view.index.permissions.items())
        if (not kind or name.partition(":")[0] == kind)
        and query.internal in (None, entry.fact.internal)
        and query.deprecated in (None, entry.fact.deprecated)
    ]
    filters = ["permissions", kind, str(query.internal), str(query.deprecated)]
    return paging.page(facts, lambda fact: fact.id, query.page, filters)


def _found(index: Index, name: str) -> Permission | None:
    entry = index.permissions.get(name)
    return entry.fact if entry is not None else None


def _write(tx: Transaction, before: Permission | None, after: Permission) -> Permission:
    validation.check(tx.index, PolicySet(permissions=(after,)), "permission")
    now = write(tx, "permission", before, after)
    require_operable(tx)
    return now
