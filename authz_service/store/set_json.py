"""Change sets as JSON: each change tagged with what it does, each definition with what it is."""

from typing import Any, Final

from pydantic import TypeAdapter

from authz_service.domain.catalog import Permission, Plan, Role
from authz_service.domain.changeset import (
    AnyChange,
    Changeset,
    Delete,
    EndException,
    Except,
    Give,
    HoldAddOn,
    MoveToTier,
    Put,
    Revoke,
)

_KINDS: Final[dict[str, TypeAdapter[Any]]] = {
    kind.__name__: TypeAdapter(kind)
    for kind in (
        *(Permission, Role, Plan),
        *(Delete, Give, Revoke, Except, EndException, MoveToTier, HoldAddOn),
    )
}


def write(command: Changeset) -> list[list[Any]]:
    """Write a set: a list of [kind, value]; a definition that is put stands for itself."""
    found = (change.fact if isinstance(change, Put) else change for change in command.changes)
    return [
        [kind := type(each).__name__, _KINDS[kind].dump_python(each, mode="json")] for each in found
    ]


def read(items: list[list[Any]]) -> Changeset:
    """Read a set that `write` wrote. Raises: ValueError."""
    return Changeset(tuple(_change(*item) for item in items))


def _change(kind: str, value: Any) -> AnyChange:
    found: Any = _KINDS[kind].validate_python(value)
    return Put(found) if isinstance(found, Permission | Role | Plan) else found
