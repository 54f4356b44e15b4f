"""Why a plan no longer holds: what it assumed, and who changed that since."""

from collections.abc import Iterable
from typing import Any, Final

from authz_service.domain.change import Delta, FactChange, Revision
from authz_service.domain.changeset import Changeset, Name
from authz_service.domain.comparison import ObjectChange, compared, named
from authz_service.domain.grant import RoleGrant
from authz_service.domain.tenant import SYSTEM
from authz_service.engine.builder import Builder
from authz_service.engine.impact import TenantImpact, tenant_impacts
from authz_service.engine.index import Index
from authz_service.errors import Aborted, ErrorReason
from authz_service.store import change_log
from authz_service.store.audit_trail import Doing, done_at
from authz_service.store.unit_of_work import Transaction
from authz_service.usecases.changesets.commands import footprint
from authz_service.usecases.changesets.planning import Planned

_TOLD: Final = 3
"""Fields of an object that the message tells; all of them stand in ListChanges."""


def involved(changeset: Changeset) -> set[Name]:
    """Name the objects that a set is about, whether or not they exist."""
    return {name for command in changeset.commands for name in footprint(command).names}


def require_same_objects(tx: Transaction, revision: Revision, names: set[Name]) -> None:
    """Find the first commit since `revision` that touched one of the objects.

    Raises:
        Aborted: CHANGESET_OUTDATED, naming what was assumed and what was committed since.
    """
    for delta in change_log.read_after(tx.connection, revision):
        for change in delta.changes:
            if named(change.fact) in names or _of_role(change, names):
                raise _outdated(tx, revision, delta, change)


def require_same_impacts(tx: Transaction, revision: Revision, plan: Planned) -> None:
    """Find the first commit since `revision` in a tenant where something else is to be decided.

    Raises:
        Aborted: CHANGESET_OUTDATED, as above.
    """
    deltas = list(change_log.read_after(tx.connection, revision))
    then = _undone(plan.before, deltas)
    changed = tenant_impacts(then, _done(then, plan.changes), tx.now)
    tenants = {impact.tenant for impact in _differing(changed, plan.impacts)}
    for delta in deltas:
        for change in delta.changes:
            if named(change.fact)[1] in tenants:
                raise _outdated(tx, revision, delta, change)


def unexplained(revision: Revision) -> Aborted:
    """Refuse a plan that time itself has overtaken: a window that began or ended since."""
    return Aborted(
        ErrorReason.CHANGESET_OUTDATED,
        f"the plan was made at revision {revision}, and since then a window has begun or ended "
        "that it depends on, or what is scheduled before it is another; make the plan again",
        field="fingerprint",
        details={"planned_at": str(revision)},
    )


def _outdated(tx: Transaction, planned_at: Revision, delta: Delta, change: FactChange) -> Aborted:
    object_change = compared(change)
    doing = _doing(done_at(tx.connection, delta.revision), object_change)
    what = " ".join(
        part for part in (object_change.kind, object_change.tenant, object_change.id) if part
    )
    return Aborted(
        ErrorReason.CHANGESET_OUTDATED,
        f"the plan was made at revision {planned_at} and assumed {what} as it was then "
        f"({_assumed(object_change)}); revision {delta.revision} has changed it since "
        f"({doing.action} by {doing.actor}: {_committed(object_change)}); make the plan again",
        field="fingerprint",
        details={
            "planned_at": str(planned_at),
            "object": what,
            "assumed": _assumed(object_change),
            "revision": str(delta.revision),
            "action": doing.action,
            "actor": doing.actor,
            "committed": _committed(object_change),
        },
    )


def _doing(matches: Iterable[Doing], object_change: ObjectChange) -> Doing:
    """Choose the entry that is about the object: by its account and targets, else the first."""
    entries = list(matches)
    chain = object_change.tenant or SYSTEM
    for doing in entries:
        if doing.tenant == chain and any(target in object_change.id for target in doing.targets):
            return doing
    return entries[0] if entries else Doing(chain, "unknown", "unknown", ())


def _assumed(object_change: ObjectChange) -> str:
    if not object_change.existed:
        return "not there"
    fields = (_before(field) for field in object_change.fields[:_TOLD])
    return "; ".join(part for part in fields if part) or "there"


def _before(item: Any) -> str:
    if item.removed or item.added:
        return (
            f"{item.field} with {', '.join(item.removed)}"
            if item.removed
            else (f"{item.field} without {', '.join(item.added)}")
        )
    return f"{item.field} {item.before or 'unset'}"


def _committed(object_change: ObjectChange) -> str:
    if not object_change.exists:
        return "ended"
    if not object_change.existed:
        return "made"
    return "; ".join(_after(field) for field in object_change.fields[:_TOLD])


def _after(item: Any) -> str:
    if item.removed or item.added:
        signs = [*(f"+{n}" for n in item.added), *(f"-{n}" for n in item.removed)]
        return f"{item.field} {' '.join(signs[:5])}"
    return f"{item.field} {item.after or 'unset'}"


def _undone(index: Index, deltas: list[Delta]) -> Index:
    builder = Builder(index)
    for delta in reversed(deltas):
        for change in reversed(delta.changes):
            builder.change(FactChange(change.after, change.before))
    return builder.finish(index.revision)


def _done(index: Index, changes: Iterable[FactChange]) -> Index:
    builder = Builder(index)
    for change in changes:
        builder.change(change)
    return builder.finish(index.revision)


def _differing(then: tuple[TenantImpact, ...], now: tuple[TenantImpact, ...]) -> set[TenantImpact]:
    return set(then) ^ set(now)


def _of_role(change: FactChange, names: set[Name]) -> bool:
    """Tell whether a grant of one of the roles was given or taken: it goes where the role goes."""
    grant = change.fact
    if not isinstance(grant, RoleGrant):
        return False
    owner, slash, _ = grant.role.partition("/")
    return ("role's grants", owner if slash else "", grant.role) in names
