"""Taking definitions out as part of a larger change: in an order in which each lets the next go."""

from collections.abc import Collection
from typing import Any, Final

from authz_service.domain.catalog import ADD_ON, TIER, Permission, Plan, Role
from authz_service.domain.changeset import Delete, ObjectKind
from authz_service.domain.grant import RoleGrant
from authz_service.domain.tenant import Tenant
from authz_service.engine.index import Index
from authz_service.store.unit_of_work import Transaction
from authz_service.usecases.catalog import objects
from authz_service.usecases.catalog.deletion import DeleteObject
from authz_service.usecases.catalog.permissions import delete_permission
from authz_service.usecases.catalog.plans import delete_add_on, delete_tier
from authz_service.usecases.catalog.references import uses
from authz_service.usecases.catalog.roles import delete_role
from authz_service.usecases.kernel.execution import ChangeCase
from authz_service.usecases.kernel.lockout import require_operable

CASES: Final[dict[ObjectKind, ChangeCase[Any, Any]]] = {
    ObjectKind.PERMISSION: delete_permission,
    ObjectKind.ROLE: delete_role,
    ObjectKind.TIER: delete_tier,
    ObjectKind.ADD_ON: delete_add_on,
}
"""The use case that deletes each kind alone."""


def remove(step: Transaction, command: Delete) -> None:
    """Delete one definition.

    Without a replacement, grants and subscription items dangle: `concerns` tells of them, and
    no such change is applied. A definition, exception or invitation that names it refuses at once.
    """
    going = find(step.index, command.kind, command.id)
    if isinstance(going, Role | Plan) and not command.replacement:
        users = (use.fact for use in uses(step, going, ""))
        if all(isinstance(user, RoleGrant | Tenant) for user in users):
            kind = command.kind.value.replace("-", "_")
            objects.end(step, kind, going)
            require_operable(step)
            return
    CASES[command.kind].body(step, request(command))


def request(command: Delete) -> DeleteObject:
    """Write a deletion as the command of its use case."""
    owner = Role(command.id).tenant if command.kind is ObjectKind.ROLE else ""
    return DeleteObject(id=command.id, replacement=command.replacement, tenant=owner)


def next_to_go(index: Index, waiting: Collection[Delete]) -> Delete:
    """Choose a deletion that none of the others waits for: who names another goes first."""
    for each in waiting:
        if not any(_names(index, other, each) for other in waiting if other is not each):
            return each
    return next(iter(waiting))


def _names(index: Index, user: Delete, used: Delete) -> bool:
    name = used.id
    if used.kind in _PREFIXES:
        name = _PREFIXES[used.kind] + used.id
    match find(index, user.kind, user.id):
        case Permission(replaced_by=other):
            return used.kind is ObjectKind.PERMISSION and other == name
        case Role(permissions=permissions, includes=includes):
            named = includes if used.kind is ObjectKind.ROLE else permissions
            return name in named
        case Plan() as plan:
            return name in plan.permissions | plan.assignable_roles | {plan.extends}
    return False


_PREFIXES: Final = {ObjectKind.TIER: TIER, ObjectKind.ADD_ON: ADD_ON}


def find(index: Index, kind: ObjectKind, name: str) -> Permission | Role | Plan | None:
    """Find a definition; None if there is none."""
    match kind:
        case ObjectKind.PERMISSION:
            permission = index.permissions.get(name)
            return permission.fact if permission is not None else None
        case ObjectKind.ROLE:
            role = index.role(name)
            return role.fact if role is not None else None
    return index.plans.get(_PREFIXES[kind] + name)
