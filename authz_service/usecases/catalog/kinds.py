"""Creating, updating, deleting and getting: said once for permissions, roles, tiers and add-ons."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Generic, assert_never

from pydantic import TypeAdapter

from authz_service.domain.change import Revision
from authz_service.engine.index import Index
from authz_service.errors import ErrorReason
from authz_service.store.unit_of_work import Transaction
from authz_service.usecases.catalog import deletion
from authz_service.usecases.catalog.deletion import Deleted, DeleteObject
from authz_service.usecases.catalog.objects import (
    Create,
    Named,
    P,
    Update,
    require_absent,
)
from authz_service.usecases.kernel import field_masks, guard
from authz_service.usecases.kernel.execution import ChangeCase, ReadCase, View
from authz_service.usecases.kernel.rights import access_of


def _anything(tx: Transaction, definition: P, replacement: str) -> None:
    """Let anything go, and anything take its place."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind(Generic[P]):
    """A kind of definition.

    `name` is the one of its RPCs, as in `CreateAddOn`; `field` the one of requests and audit
    actions, as in `add_on.created`. `find` and `require` take an object's name in the API.
    """

    name: str
    field: str
    type: type[P]
    exists: ErrorReason
    updatable: tuple[str, ...]
    find: Callable[[Index, str], P | None]
    require: Callable[[Index, str, str], P]
    """Find an object, or refuse with the field that names it."""
    write: Callable[[Transaction, P | None, P], P]
    """Check an object as it will be, and write it."""
    name_of: Callable[[P], str] = lambda value: value.id
    check_deletion: Callable[[Transaction, P, str], None] = _anything
    """Refuse to let an object go, or a replacement to stand where it stands."""

    def label(self, name: str) -> str:
        return f"{self.field.replace('_', '-')} {name!r}"


def resolved(kind: Kind[P], index: Index, command: Create[P] | Update[P]) -> tuple[P | None, P]:
    """Give a definition before and after a command.

    Raises:
        AlreadyExists, NotFound: it exists already, or does not although it has to.
        Aborted: REVISION_MISMATCH.
        InvalidArgument: INVALID_FIELD: of the mask.
    """
    name = kind.name_of(command.object)
    before = kind.find(index, name)
    match command:
        case Create():
            require_absent(before, kind.exists, kind.label(name), f"{kind.field}.id")
            return None, command.object
        case Update():
            if before is None and not command.allow_missing:
                before = kind.require(index, name, f"{kind.field}.id")
            _require_revision(kind, before, name, command.expected_revision)
            paths = field_masks.checked(command.mask, kind.updatable)
            if before is None:
                return None, command.object
            after = replace(before, **{path: getattr(command.object, path) for path in paths})
            return before, after
        case _:
            assert_never(command)


def require_creator(kind: Kind[P], tx: Transaction, command: Update[P]) -> None:
    """Let an update create only for who may create. Raises: PERMISSION_DENIED."""
    if command.allow_missing and kind.find(tx.index, kind.name_of(command.object)) is None:
        right = access_of(f"Create{kind.name}").right
        guard.require(tx.index, tx.call.actor, right, command.tenant, tx.now)


def create(kind: Kind[P]) -> ChangeCase[Create[P], P]:
    def body(tx: Transaction, command: Create[P]) -> P:
        return kind.write(tx, *resolved(kind, tx.index, command))

    rpc = f"Create{kind.name}"
    return ChangeCase(rpc, access_of(rpc), body, TypeAdapter(kind.type))


def update(kind: Kind[P]) -> ChangeCase[Update[P], P]:
    def body(tx: Transaction, command: Update[P]) -> P:
        require_creator(kind, tx, command)
        return kind.write(tx, *resolved(kind, tx.index, command))

    rpc = f"Update{kind.name}"
    return ChangeCase(rpc, access_of(rpc), body, TypeAdapter(kind.type))


def delete(kind: Kind[P]) -> ChangeCase[DeleteObject, Deleted[P]]:
    def body(tx: Transaction, command: DeleteObject) -> Deleted[P]:
        definition = kind.require(tx.index, command.id, "id")
        _require_revision(kind, definition, command.id, command.expected_revision)
        kind.check_deletion(tx, definition, command.replacement)
        replacement = ""
        if command.replacement:
            replacement = kind.require(tx.index, command.replacement, "replacement").id
        return deletion.delete(tx, kind.field, definition, replacement)

    rpc = f"Delete{kind.name}"
    return ChangeCase(rpc, access_of(rpc), body, TypeAdapter(Deleted[kind.type]))  # type: ignore[name-defined] # known at run time


def get(kind: Kind[P]) -> ReadCase[Named, P]:
    def body(view: View, query: Named) -> P:
        return kind.require(view.index, query.id, "id")

    rpc = f"Get{kind.name}"
    return ReadCase(rpc, access_of(rpc), body)


def _require_revision(kind: Kind[P], value: P | None, name: str, expected: Revision) -> None:
    field_masks.unchanged(value.revision if value is not None else 0, expected, kind.label(name))
