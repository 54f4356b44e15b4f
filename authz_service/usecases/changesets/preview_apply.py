"""Changesets: what one would do, and then doing exactly that."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

from authz_service.domain import comparison, fingerprint
from authz_service.domain.audit import AuditRecord
from authz_service.domain.change import Revision
from authz_service.domain.changeset import Changeset
from authz_service.domain.comparison import ObjectChange
from authz_service.domain.fingerprint import Fingerprint
from authz_service.domain.schedule import checked_later
from authz_service.domain.tenant import SYSTEM
from authz_service.domain.window import Instant
from authz_service.engine.effect import Reach, Shift, TenantEffect, Value, effect
from authz_service.engine.impact import Impact, TenantImpact, grouped, require_no_blocker
from authz_service.errors import AuthzError, ErrorReason, InvalidArgument
from authz_service.store.unit_of_work import Transaction
from authz_service.usecases.changesets import scheduling, staleness
from authz_service.usecases.changesets.commands import checked, writes_events
from authz_service.usecases.changesets.planning import Planned, planned
from authz_service.usecases.changesets.scheduling import Scheduled
from authz_service.usecases.kernel import paging, previews
from authz_service.usecases.kernel.dry_run import at_instant, dry_run_at
from authz_service.usecases.kernel.execution import View, change, long_read
from authz_service.usecases.kernel.paging import DEFAULT_SAMPLE, Page, PageRequest, sample_size
from authz_service.usecases.kernel.previews import Preview


@dataclass(frozen=True, slots=True, kw_only=True)
class PreviewChangeset:
    """`sample` names are given with each total; 0 takes DEFAULT_SAMPLE. `at` None is now."""

    changeset: Changeset
    sample: int = 0
    at: Instant | None = None
    tenant: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ListChangesetEffects:
    changeset: Changeset
    page: PageRequest
    at: Instant | None = None
    tenant: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ApplyChangeset:
    changeset: Changeset
    fingerprint: str
    at: Instant | None = None
    tenant: str = ""


@dataclass(frozen=True, slots=True)
class Previewed:
    """What a changeset would do at `revision`, and the fingerprint to apply just that with."""

    revision: Revision
    preview: Preview
    fingerprint: str


@dataclass(frozen=True, slots=True)
class ChangesetEffect:
    """A tenant (`subject` "") or one of its members, and what changes for it."""

    tenant: str
    subject: str
    shift: Shift
    features: tuple[Value, ...] = ()
    limits: tuple[Value, ...] = ()
    impacts: tuple[TenantImpact, ...] = ()


@dataclass(frozen=True, slots=True)
class Applied:
    """The objects that were changed, or will be, and the impacts that were accepted."""

    objects: tuple[ObjectChange, ...]
    impacts: tuple[Impact, ...]
    scheduled: Scheduled | None = None


@long_read
def preview_changeset(view: View, query: PreviewChangeset) -> Previewed:
    """Tell what a changeset would do: the objects, who gains and loses, the impacts."""
    sample, at = sample_size(query.sample), _later(query.at, view.now)
    with dry_run_at(view, at, writing=writes_events(query.changeset)) as (tx, step):
        plan = planned(step, checked(query.changeset), at_once=at is None)
    preview = previews.preview_of(
        plan.before, plan.after, plan.changes, plan.impacts, step.now, sample
    )
    return Previewed(
        tx.index.revision,
        replace(preview, warnings=plan.warnings),
        str(_fingerprint(tx, plan, query.changeset, at)),
    )


@long_read
def list_changeset_effects(view: View, query: ListChangesetEffects) -> Page[ChangesetEffect]:
    """List every tenant and member for whom a changeset would change anything."""
    at = _later(query.at, view.now)
    with dry_run_at(view, at, writing=writes_events(query.changeset)) as (_, step):
        plan = planned(step, checked(query.changeset), at_once=at is None)
    filters = ["changeset-effects", _digest(query.changeset, at)]
    effects = sorted(_effects(plan, step.now), key=_place)
    return paging.page(effects, _place, query.page, filters)


@change
def apply_changeset(tx: Transaction, command: ApplyChangeset) -> Applied:
    """Do what a preview showed, or schedule it, if it would show the same now."""
    promise = fingerprint.read(command.fingerprint)
    changeset = checked(command.changeset)
    scheduling.require_rights(tx, changeset)
    at = _later(command.at, tx.now)
    if promise.commands != _digest(changeset, at):
        raise InvalidArgument(
            ErrorReason.FINGERPRINT_MISMATCH,
            "the fingerprint belongs to another changeset, or to another instant; preview this one",
            field="fingerprint",
        )
    with at_instant(tx, at) as step:
        plan = _as_promised(tx, step, changeset, promise, at)
        if at is not None:
            scheduling.work_out(step, changeset, plan)
    if at is None:
        return _apply(tx, plan, promise)
    scheduled = scheduling.schedule(tx, step, changeset, at)
    return Applied(scheduled.objects, grouped(plan.impacts, DEFAULT_SAMPLE), scheduled)


def _later(at: Instant | None, now: Instant) -> Instant | None:
    return None if at is None else checked_later(at, now, "changeset.apply_time")


def _as_promised(
    tx: Transaction,
    step: Transaction,
    changeset: Changeset,
    promise: Fingerprint,
    at: Instant | None,
) -> Planned:
    """Plan a changeset at its instant, and check that it is what a preview promised.

    Raises:
        Aborted: CHANGESET_OUTDATED, naming the commit that came between.
        FailedPrecondition: CHANGESET_BLOCKED.
    """
    try:
        plan = planned(step, changeset, at_once=at is None)
    except AuthzError as refusal:
        staleness.require_same_objects(tx, promise.revision, staleness.involved(changeset))
        raise refusal
    current = _fingerprint(tx, plan, changeset, at)
    if current != promise:
        _require_still_so(tx, plan, changeset, current, promise)
    require_no_blocker(plan.impacts)
    return plan


def _digest(changeset: Changeset, at: Instant | None) -> str:
    return fingerprint.digest(changeset.commands if at is None else (changeset.commands, at))


def _fingerprint(
    tx: Transaction, plan: Planned, changeset: Changeset, at: Instant | None
) -> Fingerprint:
    return Fingerprint(
        tx.index.revision,
        _digest(changeset, at),
        _objects(plan),
        fingerprint.digest(plan.impacts),
    )


def _objects(plan: Planned) -> str:
    """Digest what the commands change, and what they release: that is dated when it is done."""
    digest = fingerprint.digest_of_changes(comparison.merged(plan.own))
    if not plan.released:
        return digest
    outcomes = [
        (taken.event.event.name, taken.event.state, taken.event.reason, taken.effects)
        for taken in plan.released
    ]
    return fingerprint.digest((digest, outcomes))


def _require_still_so(
    tx: Transaction,
    plan: Planned,
    changeset: Changeset,
    current: Fingerprint,
    promise: Fingerprint,
) -> None:
    """Refuse a plan whose objects or impacts are others by now; its revision alone may be."""
    if current.objects != promise.objects:
        names = {comparison.named(change.fact) for change in plan.changes}
        staleness.require_same_objects(tx, promise.revision, names | staleness.involved(changeset))
        raise staleness.unexplained(promise.revision)
    if current.impacts != promise.impacts:
        if plan.before is tx.index:  # else what was scheduled lies between, and is no commit
            staleness.require_same_impacts(tx, promise.revision, plan)
        raise staleness.unexplained(promise.revision)


def _apply(tx: Transaction, plan: Planned, promise: Fingerprint) -> Applied:
    objects, impacts = comparison.objects(plan.changes), grouped(plan.impacts, DEFAULT_SAMPLE)
    tx.changes += plan.changes
    for record in plan.records:
        tx.record(record)
    if plan.changes:
        details = {
            "fingerprint": str(promise),
            "objects": str(len(objects)),
            "impacts": ", ".join(f"{impact.kind.value} {impact.object}" for impact in impacts),
        }
        reason = tx.call.reason
        tx.record(AuditRecord("changeset.applied", SYSTEM, (), reason=reason, details=details))
    return Applied(objects, impacts)


def _effects(plan: Planned, at: int) -> Iterator[ChangesetEffect]:
    by_tenant: dict[str, list[TenantImpact]] = {}
    for impact in plan.impacts:
        by_tenant.setdefault(impact.tenant, []).append(impact)
    for tenant_effect in effect(plan.before, plan.after, at):
        impacts = tuple(by_tenant.pop(tenant_effect.tenant, ()))
        yield from _in_tenant(tenant_effect, impacts)
    for tenant, others in by_tenant.items():
        yield ChangesetEffect(tenant, "", Shift(), impacts=tuple(others))


def _in_tenant(of: TenantEffect, impacts: tuple[TenantImpact, ...]) -> Iterator[ChangesetEffect]:
    if of.gained or of.lost or of.features or of.limits or impacts:
        shift = Shift(
            tuple(Reach(name) for name in of.gained), tuple(Reach(name) for name in of.lost)
        )
        yield ChangesetEffect(of.tenant, "", shift, of.features, of.limits, impacts)
    for shift, subjects in of.subjects.items():
        for subject in subjects:
            yield ChangesetEffect(of.tenant, subject, shift)


def _place(effect: ChangesetEffect) -> str:
    """Order by tenant, the tenant itself before its members: a blank is in no identifier."""
    return f"{effect.tenant} {effect.subject}"
