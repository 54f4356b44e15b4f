"""The catalogue of permissions: all that can be asked."""

from dataclasses import dataclass
from typing import Final

from authz_service.domain.catalog import Permission
from authz_service.domain.identifiers import checked
from authz_service.domain.own_policy import is_own
from authz_service.domain.policy_set import PolicySet
from authz_service.engine.index import Index
from authz_service.errors import ErrorReason
from authz_service.store.unit_of_work import Transaction
from authz_service.usecases.catalog import kinds, validation
from authz_service.usecases.catalog.kinds import Kind
from authz_service.usecases.catalog.objects import write
from authz_service.usecases.kernel import paging, preconditions
from authz_service.usecases.kernel.execution import View, read
from authz_service.usecases.kernel.lockout import require_operable
from authz_service.usecases.kernel.paging import Page, PageRequest
from authz_service.usecases.kernel.rights import require_not_own


@dataclass(frozen=True, slots=True, kw_only=True)
class ListPermissions:
    """`resource_type` "" and None of a flag stand for any."""

    page: PageRequest
    resource_type: str = ""
    internal: bool | None = None
    deprecated: bool | None = None
    include_reserved: bool = False
    tenant: str = ""


def _find(index: Index, name: str) -> Permission | None:
    entry = index.permissions.get(name)
    return entry.fact if entry is not None else None


def _require(index: Index, name: str, field: str) -> Permission:
    return index.permissions[preconditions.permission(index, name, field)].fact


def _write(tx: Transaction, before: Permission | None, after: Permission) -> Permission:
    validation.check(tx.index, PolicySet(permissions=(after,)), "permission")
    now = write(tx, "permission", before, after)
    require_operable(tx)
    return now


def _check_deletion(tx: Transaction, permission: Permission, replacement: str) -> None:
    if replacement:
        preconditions.permission(tx.index, replacement, "replacement")
    require_not_own(permission.id, "id")


KIND: Final = Kind(
    name="Permission",
    field="permission",
    type=Permission,
    exists=ErrorReason.PERMISSION_EXISTS,
    updatable=("internal", "description", "deprecated", "replaced_by"),
    find=_find,
    require=_require,
    write=_write,
    check_deletion=_check_deletion,
)

create_permission: Final = kinds.create(KIND)
update_permission: Final = kinds.update(KIND)
delete_permission: Final = kinds.delete(KIND)
get_permission: Final = kinds.get(KIND)


@read
def list_permissions(view: View, query: ListPermissions) -> Page[Permission]:
    resource_type = query.resource_type
    if resource_type:
        checked("resource_type", resource_type)
    facts = [
        entry.fact
        for name, entry in sorted(view.index.permissions.items())
        if (not resource_type or name.partition(":")[0] == resource_type)
        and (query.include_reserved or not is_own(name))
        and query.internal in (None, entry.fact.internal)
        and query.deprecated in (None, entry.fact.deprecated)
    ]
    flags = (query.internal, query.deprecated, query.include_reserved)
    filters = ["permissions", resource_type, *map(str, flags)]
    return paging.page(facts, lambda fact: fact.id, query.page, filters)
