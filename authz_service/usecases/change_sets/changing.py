"""Any set of changes: what it would do, and then doing exactly that."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from authz_service.domain import change_set, comparison, fingerprint
from authz_service.domain.audit import Event
from authz_service.domain.change import Revision
from authz_service.domain.change_set import (
    ChangeSet,
)
from authz_service.domain.comparison import ObjectChange
from authz_service.domain.fingerprint import Fingerprint
from authz_service.domain.tenant import SYSTEM
from authz_service.engine.effect import Reach, Shift, TenantEffect, Value, effect
from authz_service.engine.effect_summary import Summary, summed
from authz_service.errors import AuthzError, ErrorReason, FailedPrecondition, InvalidArgument
from authz_service.store.unit_of_work import Transaction
from authz_service.usecases import guard, paging
from authz_service.usecases.change_sets import outdating
from authz_service.usecases.change_sets.concerns import Concern, Decision, decisions
from authz_service.usecases.change_sets.planning import Planned, planned, right_of
from authz_service.usecases.execution import View, change, read
from authz_service.usecases.paging import Page, PageRequest
from authz_service.usecases.rehearsal import rehearsal

DEFAULT_SAMPLE: Final = 10
MAX_SAMPLE: Final = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class PreviewChange:
    """`sample` names are given with each total; 0 takes DEFAULT_SAMPLE."""

    changes: ChangeSet
    sample: int = 0
    tenant: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ListAffected:
    changes: ChangeSet
    page: PageRequest
    tenant: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ApplyChange:
    changes: ChangeSet
    fingerprint: str
    tenant: str = ""


@dataclass(frozen=True, slots=True)
class Preview:
    """What a set of changes would do at `revision`."""

    revision: Revision
    objects: tuple[ObjectChange, ...]
    summary: Summary
    decisions: tuple[Decision, ...]
    fingerprint: str


@dataclass(frozen=True, slots=True)
class Affected:
    """A tenant (`subject` "") or one of its members, and what changes for it."""

    tenant: str
    subject: str
    shift: Shift
    features: tuple[Value, ...] = ()
    limits: tuple[Value, ...] = ()
    concerns: tuple[Concern, ...] = ()


@dataclass(frozen=True, slots=True)
class AppliedChange:
    """What was changed, and what was decided by applying it."""

    objects: tuple[ObjectChange, ...]
    decisions: tuple[Decision, ...]


@read("changes:preview")
def preview_change(view: View, wanted: PreviewChange) -> Preview:
    """Tell what a set would do: the objects, who gains and loses, what needs a decision."""
    sample = sample_size(wanted.sample)
    with rehearsal(view) as tx:
        plan = planned(tx, change_set.checked(wanted.changes))
    return Preview(
        plan.before.revision,
        _objects(plan),
        summed(effect(plan.before, plan.after, view.now), sample),
        decisions(plan.concerns, sample),
        str(_fingerprint(plan, wanted.changes)),
    )


@read("changes:preview")
def list_affected(view: View, wanted: ListAffected) -> Page[Affected]:
    """Name every tenant and member for whom a set would change anything."""
    with rehearsal(view) as tx:
        plan = planned(tx, change_set.checked(wanted.changes))
    query = ["affected", fingerprint.digest(wanted.changes.changes)]
    found = sorted(_affected(plan, view.now), key=_place)
    return paging.page(found, _place, wanted.page, query)


@change("changes:apply")
def apply_change(tx: Transaction, wanted: ApplyChange) -> AppliedChange:
    """Do what a preview showed, if it would show the same now."""
    promised = fingerprint.read(wanted.fingerprint)
    changes = change_set.checked(wanted.changes)
    for each in changes.changes:
        right, tenant = right_of(each)
        guard.require(tx.index, tx.call.actor, right, tenant, tx.now)
    if promised.wanted != fingerprint.digest(changes.changes):
        raise InvalidArgument(
            ErrorReason.FINGERPRINT_MISMATCH,
            "the fingerprint belongs to another set of changes; preview this one",
            field="fingerprint",
        )
    try:
        plan = planned(tx, changes)
    except AuthzError as refusal:
        outdating.require_same_objects(tx, promised.revision, outdating.involved(changes))
        raise refusal
    if _fingerprint(plan, changes) != promised:
        _require_still_so(tx, plan, changes, promised)
    _require_decided(plan)
    return _made(tx, plan, promised)


def _objects(plan: Planned) -> tuple[ObjectChange, ...]:
    return tuple(comparison.compared(each) for each in comparison.merged(plan.changes))


def _fingerprint(plan: Planned, wanted: ChangeSet) -> Fingerprint:
    return Fingerprint(
        plan.before.revision,
        fingerprint.digest(wanted.changes),
        fingerprint.digest_of_changes(comparison.merged(plan.changes)),
        fingerprint.digest(plan.concerns),
    )


def _require_still_so(
    tx: Transaction, plan: Planned, changes: ChangeSet, promised: Fingerprint
) -> None:
    """Refuse a plan whose objects or decisions are others by now; its revision alone may be."""
    found = _fingerprint(plan, changes)
    if found.objects != promised.objects:
        involved = {comparison.named(each.fact) for each in plan.changes}
        outdating.require_same_objects(
            tx, promised.revision, involved | outdating.involved(changes)
        )
        raise outdating.unexplained(promised.revision)
    if found.concerns != promised.concerns:
        outdating.require_same_concerns(tx, promised.revision, plan)
        raise outdating.unexplained(promised.revision)


def _require_decided(plan: Planned) -> None:
    open_ = [concern for concern in plan.concerns if concern.blocking]
    if open_:
        first, tenants = open_[0], len({concern.tenant for concern in open_})
        raise FailedPrecondition(
            ErrorReason.DECISION_NEEDED,
            f"{first.kind.value}: {first.object} in {first.tenant!r}"
            f"{f' and {len(open_) - 1} more' if len(open_) > 1 else ''}; name what takes its "
            "place in the change set and preview it again",
            field="changes",
            details={"kind": first.kind.value, "object": first.object, "tenants": str(tenants)},
        )


def _made(tx: Transaction, plan: Planned, promised: Fingerprint) -> AppliedChange:
    objects, decided = _objects(plan), decisions(plan.concerns, DEFAULT_SAMPLE)
    tx.changes += plan.changes
    for event in plan.events:
        tx.record(event)
    if plan.changes:
        told = {
            "fingerprint": str(promised),
            "objects": len(objects),
            "decisions": [f"{each.kind.value} {each.object}" for each in decided],
        }
        tx.record(Event("changes.applied", SYSTEM, (), None, told, tx.call.reason))
    return AppliedChange(objects, decided)


def _affected(plan: Planned, at: int) -> Iterator[Affected]:
    concerned: dict[str, list[Concern]] = {}
    for concern in plan.concerns:
        concerned.setdefault(concern.tenant, []).append(concern)
    for each in effect(plan.before, plan.after, at):
        yield from _in_tenant(each, tuple(concerned.pop(each.tenant, ())))
    for tenant, found in concerned.items():
        yield Affected(tenant, "", Shift(), concerns=tuple(found))


def _in_tenant(each: TenantEffect, found: tuple[Concern, ...]) -> Iterator[Affected]:
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


def sample_size(wanted: int) -> int:
    """Tell how many names to give with each total. Raises: INVALID_FIELD."""
    if not 0 <= wanted <= MAX_SAMPLE:
        raise InvalidArgument(
            ErrorReason.INVALID_FIELD,
            f"sample_size {wanted} is outside 0 to {MAX_SAMPLE}; 0 takes {DEFAULT_SAMPLE}",
            field="sample_size",
        )
    return wanted or DEFAULT_SAMPLE
