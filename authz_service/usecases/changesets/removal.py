"""Deleting definitions as part of a changeset: in an order in which each lets the next go."""

from collections.abc import Callable, Collection
from typing import Any, assert_never

from authz_service.domain.catalog import Permission, Plan, Role
from authz_service.domain.changeset import ChangesetCommand
from authz_service.domain.grant import RoleGrant
from authz_service.domain.tenant import Tenant
from authz_service.engine.index import Index
from authz_service.store.unit_of_work import Transaction
from authz_service.usecases.catalog import objects
from authz_service.usecases.catalog.references import uses
from authz_service.usecases.changesets.commands import CommandKind, kind_of, required
from authz_service.usecases.kernel.lockout import require_operable


def body(kind: CommandKind[Any]) -> Callable[[Transaction, Any], object]:
    """Delete one definition.

    Without a replacement, grants and subscriptions are left to dangle: an impact tells of them and
    blocks the changeset. A definition, exception or invitation that names it refuses at once.
    """
    definition = required(kind.definition)

    def delete(step: Transaction, command: Any) -> object:
        find = definition.find(step.index, command.id)
        if isinstance(find, Role | Plan) and not command.replacement:
            users = (use.fact for use in uses(step, find, ""))
            if all(isinstance(user, RoleGrant | Tenant) for user in users):
                definition.check_deletion(step, find, "")
                objects.end(step, definition.field, find)
                require_operable(step)
                return None
        return kind.case.body(step, command)

    return delete


def next_to_go(index: Index, waiting: Collection[ChangesetCommand]) -> ChangesetCommand:
    """Choose a deletion that none of the others waits for: who names another goes first."""
    for command in waiting:
        if not any(_names(index, other, command) for other in waiting if other is not command):
            return command
    return next(iter(waiting))


def _names(index: Index, user: ChangesetCommand, used: ChangesetCommand) -> bool:
    fact, target = _definition(index, user), _definition(index, used)
    match fact:
        case None:
            return False
        case Permission(replaced_by=other):
            return isinstance(target, Permission) and other == target.id
        case Role(permissions=permissions, includes=includes):
            names = includes if isinstance(target, Role) else permissions
            return target is not None and target.id in names
        case Plan() as plan:
            names = plan.permissions | plan.assignable_roles | {plan.extends}
            return target is not None and target.id in names
        case _:
            assert_never(fact)


def _definition(index: Index, command: ChangesetCommand) -> Permission | Role | Plan | None:
    kind = kind_of(command).definition
    return None if kind is None else kind.find(index, command.content.id)
