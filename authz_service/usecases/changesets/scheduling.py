"""Changesets that come into force at an instant, by themselves."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Final

from authz_service.domain.audit import AuditRecord
from authz_service.domain.audit_changes import change_document
from authz_service.domain.change import Blocker, ScheduledChangeset
from authz_service.domain.changeset import Changeset
from authz_service.domain.comparison import ObjectChange
from authz_service.domain.identifiers import checked
from authz_service.domain.scheduled_changeset import objects_of
from authz_service.domain.tenant import SYSTEM
from authz_service.domain.window import Instant, rfc3339
from authz_service.engine import invariants
from authz_service.engine.impact import require_no_blocker
from authz_service.engine.index import Index
from authz_service.errors import ErrorReason, FailedPrecondition, InvalidArgument, NotFound
from authz_service.store.unit_of_work import Transaction, number_tiers
from authz_service.usecases.billing import billing_policy
from authz_service.usecases.billing.billing_policy import UpdatePart
from authz_service.usecases.catalog.kinds import require_creator
from authz_service.usecases.catalog.objects import Update
from authz_service.usecases.changesets.commands import kind_of, written
from authz_service.usecases.changesets.commands import read as read_commands
from authz_service.usecases.changesets.planning import Planned
from authz_service.usecases.kernel import guard, paging
from authz_service.usecases.kernel.execution import View, change, read
from authz_service.usecases.kernel.paging import Page, PageRequest
from authz_service.usecases.kernel.rights import access_of

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
    rpcs: Sequence[str]
    """The RPCs that its commands run, each once, in order of name."""
    objects: tuple[ObjectChange, ...]
    blocker: Blocker | None


@read
def list_scheduled_changesets(view: View, query: ListScheduledChangesets) -> Page[Scheduled]:
    """List what lies ahead, the next one first."""
    scheduled = sorted(map(_shown, view.index.scheduled.values()), key=_place)
    page = paging.page(scheduled, _place, query.page, ["scheduled changesets"])
    return replace(page, total_size=len(scheduled))


@read
def get_scheduled_changeset(view: View, query: OneScheduledChangeset) -> Scheduled:
    return _shown(_one(view.index, query.id))


@change
def cancel_scheduled_changeset(tx: Transaction, command: OneScheduledChangeset) -> Scheduled:
    """Take a set back before its instant. It takes the rights that applying it does."""
    scheduled = _one(tx.index, command.id)
    require_rights(tx, read_commands(scheduled.commands))
    tx.change(scheduled, None)
    reason, targets = tx.call.reason, (scheduled.id,)
    tx.record(AuditRecord("changeset.cancelled", SYSTEM, targets, scheduled, None, reason))
    return _shown(scheduled)


def require_rights(tx: Transaction, changeset: Changeset) -> None:
    """Let through who may apply a changeset: each command takes its own right, too."""
    guard.require(tx.index, tx.call.actor, access_of("ApplyChangeset").right, "", tx.now)
    for command in changeset.commands:
        kind, content = kind_of(command), command.content
        guard.require(tx.index, tx.call.actor, kind.case.right, content.tenant, tx.now)
        if kind.definition is not None and isinstance(content, Update):
            require_creator(kind.definition, tx, content)
        if isinstance(content, UpdatePart):
            billing_policy.require_creator(tx, content)


def work_out(step: Transaction, changeset: Changeset, plan: Planned) -> None:
    """Let a transaction at the instant make what was planned, and ask all that a commit asks.

    Raises:
        AuthzError: applying the set at the instant would be refused so.
    """
    step.changes += plan.changes
    step.records += plan.records
    require_rights(step, changeset)
    require_no_blocker(plan.impacts)
    number_tiers(step)
    actor = step.call.actor
    guard.check_escalation(step.index, step.changes, actor, step.now)
    guard.require_not_managed(step.index, step.changes, actor)
    invariants.require_kept(step.index, step.changes, step.now)
    if len(step.changes) > MAX_FACTS:
        raise InvalidArgument(
            ErrorReason.BATCH_TOO_LARGE,
            f"it makes {len(step.changes)} changes of facts, and {MAX_FACTS} may be scheduled "
            "at once; split the set, or apply it now",
            field="changeset.commands",
            details={"limit": str(MAX_FACTS)},
        )


def schedule(tx: Transaction, step: Transaction, changeset: Changeset, at: Instant) -> Scheduled:
    """Schedule what was worked out at the instant. Raises: TOO_MANY_SCHEDULED."""
    if len(tx.index.scheduled) >= MAX_AHEAD:
        raise FailedPrecondition(
            ErrorReason.TOO_MANY_SCHEDULED,
            f"{MAX_AHEAD} changesets are scheduled already; cancel one, put these commands into "
            "another, or wait for the next instant",
            details={"limit": str(MAX_AHEAD)},
        )
    call = tx.call
    scheduled = ScheduledChangeset(
        id=f"sch-{tx.new_id()}",
        at=at,
        commands=written(changeset),
        actor=call.actor.subject,
        on_behalf_of=call.actor.on_behalf_of,
        reason=call.reason,
        created_at=tx.now,
        changes=tuple(step.changes),
        records=settled(step.records, at),
    )
    tx.change(None, scheduled)
    tx.record(
        AuditRecord("changeset.scheduled", SYSTEM, (scheduled.id,), None, scheduled, call.reason)
    )
    return _shown(scheduled)


def settled(records: Iterable[AuditRecord], at: Instant) -> tuple[AuditRecord, ...]:
    """Give records as the audit will have them: they may have to wait for long."""
    return tuple(
        replace(record, before=sides.get("before"), after=sides.get("after"))
        for record in records
        for sides in (change_document(record.before, record.after, at),)
    )


def _shown(scheduled: ScheduledChangeset) -> Scheduled:
    return Scheduled(
        scheduled.id,
        scheduled.at,
        scheduled.actor,
        scheduled.on_behalf_of,
        scheduled.reason,
        scheduled.created_at,
        scheduled.rpcs,
        objects_of(scheduled),
        scheduled.blocker,
    )


def _one(index: Index, name: str) -> ScheduledChangeset:
    scheduled = index.scheduled.get(checked("id", name))
    if scheduled is None:
        raise NotFound(
            ErrorReason.SCHEDULED_CHANGE_NOT_FOUND,
            f"no changeset {name!r} is scheduled: it came into force, or was cancelled; list those "
            "that are",
            field="id",
        )
    return scheduled


def _place(scheduled: Scheduled) -> str:
    return f"{rfc3339(scheduled.at)} {scheduled.id}"
