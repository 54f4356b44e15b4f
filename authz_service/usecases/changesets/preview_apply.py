"""Any set of changes: what it would do, and then doing exactly that."""

from collections.abc import Iterator
from dataclasses import dataclass

from authz_service.domain import changeset, comparison, fingerprint
from authz_service.domain.audit import AuditRecord
from authz_service.domain.change import Revision
from authz_service.domain.changeset import Changeset
from authz_service.domain.comparison import ObjectChange
from authz_service.domain.fingerprint import Fingerprint
from authz_service.domain.schedule import checked_later
from authz_service.domain.tenant import SYSTEM
from authz_service.domain.window import Instant
from authz_service.engine.effect import Reach, Shift, TenantEffect, Value, effect
from authz_service.engine.effect_summary import Summary, summed
from authz_service.engine.impact import Impact, TenantImpact, grouped, require_no_blocker
from authz_service.errors import AuthzError, ErrorReason, InvalidArgument
from authz_service.store.unit_of_work import Transaction
from authz_service.usecases.changesets import scheduling, staleness
from authz_service.usecases.changesets.planning import Planned, planned
from authz_service.usecases.changesets.scheduling import Scheduled
from authz_service.usecases.kernel import paging
from authz_service.usecases.kernel.dry_run import at_instant, rehearsal_at
from authz_service.usecases.kernel.execution import View, change, read
from authz_service.usecases.kernel.paging import DEFAULT_SAMPLE, Page, PageRequest, sample_size


@dataclass(frozen=True, slots=True, kw_only=True)
class PreviewChangeset:
    """`sample` names are given with each total; 0 takes DEFAULT_SAMPLE. `at` None is now."""

    changes: Changeset
    sample: int = 0
    at: Instant | None = None
    tenant: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ListAffected:
    changes: Changeset
    page: PageRequest
    at: Instant | None = None
    tenant: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ApplyChangeset:
    changes: Changeset
    fingerprint: str
    at: Instant | None = None
    tenant: str = ""


@dataclass(frozen=True, slots=True)
class Preview:
    """What a set of changes would do at `revision`."""

    revision: Revision
    objects: tuple[ObjectChange, ...]
    summary: Summary
    impacts: tuple[Impact, ...]
    fingerprint: str


@dataclass(frozen=True, slots=True)
class Affected:
    """A tenant (`subject` "") or one of its members, and what changes for it."""

    tenant: str
    subject: str
    shift: Shift
    features: tuple[Value, ...] = ()
    limits: tuple[Value, ...] = ()
    impacts: tuple[TenantImpact, ...] = ()


@dataclass(frozen=True, slots=True)
class AppliedChange:
    """What was changed, or will be, and what was decided by applying it."""

    objects: tuple[ObjectChange, ...]
    impacts: tuple[Impact, ...]
    scheduled: Scheduled | None = None


@read
def preview_changeset(view: View, query: PreviewChangeset) -> Preview:
    """Tell what a set would do: the objects, who gains and loses, what needs a impact."""
    sample, at = sample_size(query.sample), _later(query.at, view.now)
    with rehearsal_at(view, at) as (tx, step):
        plan = planned(step, changeset.checked(query.changes))
    return Preview(
        tx.index.revision,
        scheduling.objects(plan.changes),
        summed(effect(plan.before, plan.after, step.now), sample),
        grouped(plan.impacts, sample),
        str(_fingerprint(tx, plan, query.changes, at)),
    )


@read
def list_affected(view: View, query: ListAffected) -> Page[Affected]:
    """Name every tenant and member for whom a set would change anything."""
    at = _later(query.at, view.now)
    with rehearsal_at(view, at) as (_, step):
        plan = planned(step, changeset.checked(query.changes))
    filters = ["affected", _digest(query.changes, at)]
    found = sorted(_affected(plan, step.now), key=_place)
    return paging.page(found, _place, query.page, filters)


@change
def apply_changeset(tx: Transaction, command: ApplyChangeset) -> AppliedChange:
    """Do what a preview showed, or schedule it, if it would show the same now."""
    promised = fingerprint.read(command.fingerprint)
    changes = changeset.checked(command.changes)
    scheduling.require_rights(tx, changes)
    at = _later(command.at, tx.now)
    if promised.commands != _digest(changes, at):
        raise InvalidArgument(
            ErrorReason.FINGERPRINT_MISMATCH,
            "the fingerprint belongs to another set of changes, or to another instant; preview "
            "this one",
            field="fingerprint",
        )
    with at_instant(tx, at) as step:
        plan = _as_promised(tx, step, changes, promised, at)
        if at is not None:
            scheduling.work_out(step, changes, plan)
    if at is None:
        return _made(tx, plan, promised)
    made = scheduling.schedule(tx, step, changes, at)
    return AppliedChange(made.objects, grouped(plan.impacts, DEFAULT_SAMPLE), made)


def _later(at: Instant | None, now: Instant) -> Instant | None:
    return None if at is None else checked_later(at, now, "at")


def _as_promised(
    tx: Transaction,
    step: Transaction,
    changes: Changeset,
    promised: Fingerprint,
    at: Instant | None,
) -> Planned:
    """Plan a set at its instant, and see that it is what a preview promised at some revision."""
    try:
        plan = planned(step, changes)
    except AuthzError as refusal:
        staleness.require_same_objects(tx, promised.revision, staleness.involved(changes))
        raise refusal
    found = _fingerprint(tx, plan, changes, at)
    if found != promised:
        _require_still_so(tx, plan, changes, found, promised)
    require_no_blocker(plan.impacts)
    return plan


def _digest(command: Changeset, at: Instant | None) -> str:
    return fingerprint.digest(command.changes if at is None else (command.changes, at))


def _fingerprint(
    tx: Transaction, plan: Planned, command: Changeset, at: Instant | None
) -> Fingerprint:
    return Fingerprint(
        tx.index.revision,
        _digest(command, at),
        fingerprint.digest_of_changes(comparison.merged(plan.changes)),
        fingerprint.digest(plan.impacts),
    )


def _require_still_so(
    tx: Transaction, plan: Planned, changes: Changeset, found: Fingerprint, promised: Fingerprint
) -> None:
    """Refuse a plan whose objects or decisions are others by now; its revision alone may be."""
    if found.objects != promised.objects:
        involved = {comparison.named(each.fact) for each in plan.changes}
        staleness.require_same_objects(
            tx, promised.revision, involved | staleness.involved(changes)
        )
        raise staleness.unexplained(promised.revision)
    if found.impacts != promised.impacts:
        if plan.before is tx.index:  # else what was scheduled lies between, and is no commit
            staleness.require_same_impacts(tx, promised.revision, plan)
        raise staleness.unexplained(promised.revision)


def _made(tx: Transaction, plan: Planned, promised: Fingerprint) -> AppliedChange:
    made, decided = scheduling.objects(plan.changes), grouped(plan.impacts, DEFAULT_SAMPLE)
    tx.changes += plan.changes
    for record in plan.records:
        tx.record(record)
    if plan.changes:
        details = {
            "fingerprint": str(promised),
            "objects": str(len(made)),
            "impacts": ", ".join(f"{each.kind.value} {each.object}" for each in decided),
        }
        reason = tx.call.reason
        tx.record(AuditRecord("changes.applied", SYSTEM, (), reason=reason, details=details))
    return AppliedChange(made, decided)


def _affected(plan: Planned, at: int) -> Iterator[Affected]:
    concerned: dict[str, list[TenantImpact]] = {}
    for impact in plan.impacts:
        concerned.setdefault(impact.tenant, []).append(impact)
    for each in effect(plan.before, plan.after, at):
        yield from _in_tenant(each, tuple(concerned.pop(each.tenant, ())))
    for tenant, found in concerned.items():
        yield Affected(tenant, "", Shift(), impacts=tuple(found))


def _in_tenant(each: TenantEffect, found: tuple[TenantImpact, ...]) -> Iterator[Affected]:
    if each.gained or each.lost or each.features or each.limits or found:
        shift = Shift(
            tuple(Reach(name) for name in each.gained), tuple(Reach(name) for name in each.lost)
        )
        yield Affected(each.tenant, "", shift, each.features, each.limits, found)
    for shift, subjects in each.subjects.items():
        for subject in subjects:
            yield Affected(each.tenant, subject, shift)


def _place(affected: Affected) -> str:
    """Order by tenant, the tenant itself before its members: a blank is in no identifier."""
    return f"{affected.tenant} {affected.subject}"
