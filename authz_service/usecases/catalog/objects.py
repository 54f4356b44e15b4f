"""What creating, putting, updating and deleting have in common, whatever the object."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import TypeVar

from authz_service.domain.audit import AuditRecord
from authz_service.domain.catalog import Permission, Plan, Role
from authz_service.domain.change import Revision
from authz_service.domain.tenant import SYSTEM
from authz_service.errors import Aborted, AlreadyExists, ErrorReason, InvalidArgument
from authz_service.store.unit_of_work import Transaction

P = TypeVar("P", bound=Permission | Role | Plan)


@dataclass(frozen=True, slots=True, kw_only=True)
class Named:
    """One object of the catalogue, by its id."""

    id: str
    tenant: str = ""


def write(tx: Transaction, kind: str, before: P | None, after: P) -> P:
    """Make an object or replace it; return it with the revision that wrote it last.

    Nothing happens if it is as wanted already.
    """
    if before is not None and before == after:
        return before
    tx.change(before, after)
    now = replace(after, revision=tx.revision)
    tx.record(AuditRecord(f"{kind}.put", owner_of(after), (after.id,), before, now, tx.call.reason))
    return now


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


def updated(found: P, command: P, mask: Iterable[str], updatable: Iterable[str]) -> P:
    """Take the fields that `mask` names from `wanted`, the others from `found`.

    Raises:
        InvalidArgument: INVALID_FIELD, if the mask is empty or names what cannot be updated.
    """
    known = tuple(updatable)
    paths = tuple(dict.fromkeys(mask))
    for path in paths or ("",):
        if path not in known:
            what = f"{path!r} cannot be updated" if path else "no field is named"
            raise InvalidArgument(
                ErrorReason.INVALID_FIELD,
                f"{what}; name some of {', '.join(known)}",
                field="update_mask",
                details={"path": path[:200]},
            )
    return replace(found, **{path: getattr(command, path) for path in paths})


def require_revision(found: P | None, expected: Revision, of: str) -> None:
    """Check that the object is as the caller read it; an `expected` of 0 takes it as it is.

    `of` names it for people.

    Raises:
        Aborted: REVISION_MISMATCH.
    """
    revision = found.revision if found is not None else 0
    if expected not in (0, revision):
        raise Aborted(
            ErrorReason.REVISION_MISMATCH,
            f"{of} is at revision {revision}, not at {expected}: it has changed since it was "
            "read; read it again and decide anew",
            field="expected_revision",
            details={"revision": str(revision), "expected_revision": str(expected)},
        )


def require_absent(found: P | None, reason: ErrorReason, of: str, field: str) -> None:
    """Check that there is no such object yet. Raises: AlreadyExists."""
    if found is not None:
        raise AlreadyExists(
            reason,
            f"{of} exists, written last at revision {found.revision}; update it, or choose "
            "another name",
            field=field,
            details={"revision": str(found.revision)},
        )
