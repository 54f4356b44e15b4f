"""What creating, updating and deleting have in common, whatever the object."""

from dataclasses import dataclass, replace
from typing import Generic, TypeVar

from authz_service.domain.audit import AuditRecord
from authz_service.domain.catalog import Permission, Plan, Role
from authz_service.domain.change import Revision
from authz_service.domain.tenant import SYSTEM
from authz_service.errors import AlreadyExists, ErrorReason
from authz_service.store.unit_of_work import Transaction

P = TypeVar("P", bound=Permission | Role | Plan)


@dataclass(frozen=True, slots=True, kw_only=True)
class Create(Generic[P]):
    object: P

    @property
    def tenant(self) -> str:
        return self.object.tenant if isinstance(self.object, Role) else ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Update(Generic[P]):
    """Only the fields that `mask` names are taken from `object`; all of them to create it.

    An `expected_revision` of 0 accepts any.
    """

    object: P
    mask: tuple[str, ...]
    allow_missing: bool = False
    expected_revision: Revision = 0

    @property
    def tenant(self) -> str:
        return self.object.tenant if isinstance(self.object, Role) else ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Named:
    """One object of the catalogue, by its id."""

    id: str
    tenant: str = ""


def write(tx: Transaction, kind: str, before: P | None, after: P) -> P:
    """Make an object or replace it; return it with the revision that wrote it last.

    Nothing happens if it is that already.
    """
    if before is not None and before == after:
        return before
    tx.change(before, after)
    now = replace(after, revision=tx.revision)
    action = written(kind, before)
    tx.record(AuditRecord(action, owner_of(after), (after.id,), before, now, tx.call.reason))
    return now


def written(kind: str, before: object) -> str:
    """Name the audit action of writing an object that was `before`: `role.created`."""
    return f"{kind}.created" if before is None else f"{kind}.updated"


def end(tx: Transaction, kind: str, before: P) -> None:
    """End an object that nothing uses any more."""
    tx.change(before, None)
    record = AuditRecord(
        f"{kind}.deleted", owner_of(before), (before.id,), before, None, tx.call.reason
    )
    tx.record(record)


def owner_of(fact: Permission | Role | Plan) -> str:
    """Name the tenant in whose audit chain the object's changes stand."""
    return (isinstance(fact, Role) and fact.tenant) or SYSTEM


def require_absent(before: P | None, reason: ErrorReason, label: str, field: str) -> None:
    """Check that there is no such object yet. Raises: AlreadyExists."""
    if before is not None:
        raise AlreadyExists(
            reason,
            f"{label} exists, last changed at revision {before.revision}; update it, or choose "
            "another name",
            field=field,
            details={"revision": str(before.revision)},
        )
