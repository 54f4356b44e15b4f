"""Change sets that come into force at an instant, by themselves."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Final

from authz_service.domain import comparison
from authz_service.domain.audit import AuditRecord
from authz_service.domain.audit_changes import change_document
from authz_service.domain.catalog import Plan
from authz_service.domain.change import Blocker, FactChange, ScheduledChangeset
from authz_service.domain.changeset import Changeset
from authz_service.domain.comparison import ObjectChange
from authz_service.domain.identifiers import checked
from authz_service.domain.tenant import SYSTEM
from authz_service.domain.window import Instant, rfc3339
from authz_service.engine import laws
from authz_service.engine.impact import require_no_blocker
from authz_service.engine.index import Index
from authz_service.errors import ErrorReason, FailedPrecondition, InvalidArgument, NotFound
from authz_service.store.unit_of_work import Transaction, number_tiers
from authz_service.usecases.changesets.planning import Planned, right_of
from authz_service.usecases.kernel import guard, paging
from authz_service.usecases.kernel.execution import View, change, read
from authz_service.usecases.kernel.paging import Page, PageRequest
from authz_service.usecases.kernel.rights import access_of

APPLY: Final = access_of("ApplyChangeset").right

MAX_AHEAD: Final = 20
"""Sets that may lie ahead at once: each commit that could matter to them plans them anew."""

MAX_FACTS: Final = 1_000
"""Facts that a scheduled set may change: every replica keeps them ready."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ListScheduledChangesets:
    page: PageRequest
    tenant: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class OneScheduledChangeset:
    id: str
    tenant: str = ""


@dataclass(frozen=True, slots=True)
class Scheduled:
    """A set that lies ahead, and what it would do as things stand: nothing, if `blocker`."""

    id: str
    at: Instant
    actor: str
    on_behalf_of: str
    reason: str
    created_at: Instant
    objects: tuple[ObjectChange, ...]
    blocker: Blocker | None


@read
def list_scheduled_changesets(view: View, query: ListScheduledChangesets) -> Page[Scheduled]:
    """List what lies ahead, the next one first."""
    found = [_shown(each) for each in view.index.scheduled.values()]
    found.sort(key=_place)
    page = paging.page(found, _place, query.page, ["scheduled policy"])
    return replace(page, total_size=len(found))


@read
def get_scheduled_changeset(view: View, query: OneScheduledChangeset) -> Scheduled:
    return _shown(_one(view.index, query.id))


@change
def cancel_scheduled_changeset(tx: Transaction, command: OneScheduledChangeset) -> Scheduled:
    """Take a set back before its instant. It takes the rights that applying it does."""
    found = _one(tx.index, command.id)
    require_rights(tx, found.changeset)
    tx.change(found, None)
    record = AuditRecord("changes.cancelled", SYSTEM, (found.id,), found, None, tx.call.reason)
    tx.record(record)
    return _shown(found)


def require_rights(tx: Transaction, command: Changeset) -> None:
    """Let through who may apply a set: each change takes its own right, too."""
    guard.require(tx.index, tx.call.actor, APPLY, "", tx.now)
    for each in command.changes:
        right, tenant = right_of(each)
        guard.require(tx.index, tx.call.actor, right, tenant, tx.now)


def work_out(step: Transaction, command: Changeset, plan: Planned) -> None:
    """Let a transaction at the instant make what was planned, and ask all that a commit asks.

    Raises:
        AuthzError: applying the set at the instant would be refused so.
    """
    step.changes += plan.changes
    step.records += plan.records
    require_rights(step, command)
    require_no_blocker(plan.impacts)
    number_tiers(step)
    actor = step.call.actor
    guard.require_holds(step.index, step.changes, actor, step.now)
    guard.require_unmanaged(step.index, step.changes, actor)
    laws.require_kept(step.index, step.changes, step.now)
    if len(step.changes) > MAX_FACTS:
        raise InvalidArgument(
            ErrorReason.BATCH_TOO_LARGE,
            f"it comes to {len(step.changes)} changes of facts, and {MAX_FACTS} may be scheduled "
            "at once; split the set, or apply it now",
            field="changes",
            details={"limit": str(MAX_FACTS)},
        )


def schedule(tx: Transaction, step: Transaction, command: Changeset, at: Instant) -> Scheduled:
    """Schedule what was worked out at the instant. Raises: TOO_MANY_SCHEDULED."""
    if len(tx.index.scheduled) >= MAX_AHEAD:
        raise FailedPrecondition(
            ErrorReason.TOO_MANY_SCHEDULED,
            f"{MAX_AHEAD} changes of policy lie ahead already; cancel one, take this one into "
            "another, or wait for the next instant",
            details={"limit": str(MAX_AHEAD)},
        )
    call = tx.call
    made = ScheduledChangeset(
        id=f"sch-{tx.new_id()}",
        at=at,
        changeset=command,
        actor=call.actor.subject,
        on_behalf_of=call.actor.on_behalf_of,
        reason=call.reason,
        created_at=tx.now,
        changes=tuple(step.changes),
        records=settled(step.records, at),
    )
    tx.change(None, made)
    tx.record(AuditRecord("changes.scheduled", SYSTEM, (made.id,), None, made, call.reason))
    return _shown(made)


def settled(records: Iterable[AuditRecord], at: Instant) -> tuple[AuditRecord, ...]:
    """Give records as the audit will have them: they may have to wait for long."""
    return tuple(
        replace(record, before=sides.get("before"), after=sides.get("after"))
        for record in records
        for sides in (change_document(record.before, record.after, at),)
    )


def objects(changes: Iterable[FactChange]) -> tuple[ObjectChange, ...]:
    """Tell what changes of facts do to each object, in order of name."""
    return tuple(comparison.compared(each) for each in comparison.merged(changes))


def _shown(found: ScheduledChangeset) -> Scheduled:
    return Scheduled(
        found.id,
        found.at,
        found.actor,
        found.on_behalf_of,
        found.reason,
        found.created_at,
        objects(each for each in found.changes if not _keeps_a_version(each)),
        found.blocker,
    )


def _keeps_a_version(change: FactChange) -> bool:
    """Tell what numbering adds: it was not asked for, and a preview does not show it."""
    made_or_gone = None in (change.before, change.after)
    return made_or_gone and isinstance(change.fact, Plan) and change.fact.is_kept


def _one(index: Index, name: str) -> ScheduledChangeset:
    found = index.scheduled.get(checked("id", name))
    if found is None:
        raise NotFound(
            ErrorReason.SCHEDULED_CHANGE_NOT_FOUND,
            f"no change of policy {name!r} lies ahead: it came into force, or was cancelled; list "
            "those that do",
            field="id",
        )
    return found


def _place(found: Scheduled) -> str:
    return f"{rfc3339(found.at)} {found.id}"
