"""Roles: named sets of permissions, global or a tenant's own."""

from dataclasses import dataclass
from typing import Final

from authz_service.domain.catalog import Role
from authz_service.domain.own_policy import is_own
from authz_service.domain.policy_set import PolicySet
from authz_service.engine.index import Index
from authz_service.errors import ErrorReason, InvalidArgument
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
class ListRoles:
    """`tenant` "" lists the global roles; the other filters take "" for any."""

    page: PageRequest
    tenant: str = ""
    permission: str = ""
    prefix: str = ""
    include_reserved: bool = False


def _find(index: Index, name: str) -> Role | None:
    entry = index.role(name)
    return entry.fact if entry is not None else None


def _require(index: Index, name: str, field: str) -> Role:
    return preconditions.role(index, name, field).fact


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


def _check_deletion(_: Transaction, role: Role, replacement: str) -> None:
    """Check that the role may go, and that the replacement can stand wherever it stands.

    Raises:
        FailedPrecondition: NAME_RESERVED.
        InvalidArgument: INVALID_FIELD, if it is one tenant's own and the other is not.
    """
    require_not_own(role.id, "id")
    if replacement and preconditions.role_owner(replacement, "replacement") not in (
        "",
        role.tenant,
    ):
        raise InvalidArgument(
            ErrorReason.INVALID_FIELD,
            f"{replacement!r} is a tenant's own role, and {role.id!r} is not of that tenant; "
            "name a global role",
            field="replacement",
        )


KIND: Final = Kind(
    name="Role",
    field="role",
    type=Role,
    exists=ErrorReason.ROLE_EXISTS,
    updatable=("permissions", "includes", "description", "admin"),
    find=_find,
    require=_require,
    write=_write,
    check_deletion=_check_deletion,
)

create_role: Final = kinds.create(KIND)
update_role: Final = kinds.update(KIND)
delete_role: Final = kinds.delete(KIND)
get_role: Final = kinds.get(KIND)


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
        if name.startswith(query.prefix)
        and (query.include_reserved or not is_own(name))
        and (permission is None or entry.holds(permission))
    ]
    reserved = str(query.include_reserved)
    filters = ["roles", query.tenant, query.permission, query.prefix, reserved]
    return paging.page(facts, lambda fact: fact.id, query.page, filters)
