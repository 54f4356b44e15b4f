"""Features and limits, one at a time, each in the tier or add-on that sets it."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Generic, TypeVar

from authz_service.domain.audit import AuditRecord
from authz_service.domain.catalog import Feature, Limit, Plan
from authz_service.domain.change import Revision
from authz_service.domain.identifiers import checked
from authz_service.domain.policy_set import violations
from authz_service.domain.tenant import SYSTEM
from authz_service.errors import ErrorReason, InvalidArgument, NotFound
from authz_service.store.unit_of_work import Transaction
from authz_service.usecases.catalog import objects, plans, validation
from authz_service.usecases.kernel import paging, preconditions
from authz_service.usecases.kernel.execution import View, change, read
from authz_service.usecases.kernel.paging import Page, PageRequest

I = TypeVar("I", bound=Feature | Limit)  # noqa: E741 - an item


@dataclass(frozen=True, slots=True)
class OfPlan(Generic[I]):
    """A feature or limit, the plan that sets it, and the revision that wrote the plan last."""

    plan: str
    item: I
    plan_revision: Revision


@dataclass(frozen=True, slots=True, kw_only=True)
class PutFeature:
    plan: str
    feature: Feature
    expected_revision: Revision = 0
    tenant: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class PutLimit:
    plan: str
    limit: Limit
    expected_revision: Revision = 0
    tenant: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class DeleteItem:
    plan: str
    name: str
    expected_revision: Revision = 0
    tenant: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class OneItem:
    plan: str
    name: str
    tenant: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ListItems:
    """`plan` and `name` "" stand for any."""

    page: PageRequest
    plan: str = ""
    name: str = ""
    tenant: str = ""


@change
def put_feature(tx: Transaction, command: PutFeature) -> OfPlan[Feature]:
    before = _plan(tx, command.plan, command.expected_revision)
    feature = command.feature
    after = replace(before, features=(*_others(before.features, feature.name), feature))
    return _written(tx, "feature", before, after, _named(before.features, feature.name), feature)


@change
def put_limit(tx: Transaction, command: PutLimit) -> OfPlan[Limit]:
    before = _plan(tx, command.plan, command.expected_revision)
    limit = command.limit
    after = replace(before, limits=(*_others(before.limits, limit.name), limit))
    return _written(tx, "limit", before, after, _named(before.limits, limit.name), limit)


@change
def delete_feature(tx: Transaction, command: DeleteItem) -> OfPlan[Feature]:
    before = _plan(tx, command.plan, command.expected_revision)
    feature = _required("feature", before, before.features, command.name)
    after = replace(before, features=_others(before.features, command.name))
    return _deleted(tx, "feature", before, after, feature)


@change
def delete_limit(tx: Transaction, command: DeleteItem) -> OfPlan[Limit]:
    """Take a limit out. What then nothing sets denies: closing is never refused."""
    before = _plan(tx, command.plan, command.expected_revision)
    limit = _required("limit", before, before.limits, command.name)
    after = replace(before, limits=_others(before.limits, command.name))
    return _deleted(tx, "limit", before, after, limit)


@read
def get_feature(view: View, query: OneItem) -> OfPlan[Feature]:
    plan = preconditions.plan(view.index, query.plan, "plan")
    item = _required("feature", plan, plan.features, query.name)
    return OfPlan(plan.id, item, plan.revision)


@read
def get_limit(view: View, query: OneItem) -> OfPlan[Limit]:
    plan = preconditions.plan(view.index, query.plan, "plan")
    return OfPlan(plan.id, _required("limit", plan, plan.limits, query.name), plan.revision)


@read
def list_features(view: View, query: ListItems) -> Page[OfPlan[Feature]]:
    return _listed(view, "feature", query, lambda plan: plan.features)


@read
def list_limits(view: View, query: ListItems) -> Page[OfPlan[Limit]]:
    return _listed(view, "limit", query, lambda plan: plan.limits)


def _plan(tx: Transaction, plan_id: str, expected: Revision) -> Plan:
    found = preconditions.plan(tx.index, plan_id, "plan")
    objects.require_revision(found, expected, plans.told(found))
    return found


def _written(
    tx: Transaction, kind: str, before: Plan, after: Plan, was: I | None, now: I
) -> OfPlan[I]:
    """Replace a plan by one with another item. The law that is broken is the item's."""
    for wrong in violations(plans.as_set(after), validation.existing(tx.index)):
        where = ".".join((kind, *wrong.path[4:]))
        raise InvalidArgument(wrong.reason, wrong.message, field=where)
    if before == after:
        return OfPlan(before.id, now, before.revision)
    _change(tx, f"{kind}.put", before, after, was, now)
    return OfPlan(after.id, now, tx.revision)


def _deleted(tx: Transaction, kind: str, before: Plan, after: Plan, was: I) -> OfPlan[I]:
    _change(tx, f"{kind}.deleted", before, after, was, None)
    return OfPlan(after.id, was, tx.revision)


def _change(
    tx: Transaction, action: str, before: Plan, after: Plan, was: I | None, now: I | None
) -> None:
    tx.change(before, after)
    item = now or was
    targets = (before.id, item.name) if item is not None else (before.id,)
    tx.record(AuditRecord(action, SYSTEM, targets, before, after, tx.call.reason))


def _listed(
    view: View, kind: str, query: ListItems, items: Callable[[Plan], Iterable[I]]
) -> Page[OfPlan[I]]:
    if query.plan:
        preconditions.plan(view.index, query.plan, "plan")
    if query.name:
        checked(kind, query.name, "name")
    found = [
        OfPlan(plan.id, item, plan.revision)
        for plan_id, plan in sorted(view.index.plans.items())
        if query.plan in ("", plan_id) and not plan.is_kept
        for item in items(plan)
        if query.name in ("", item.name)
    ]
    filters = [kind, query.plan, query.name]
    # A space sorts before all that names are made of, so keys sort as plan and name do.
    return paging.page(found, lambda each: f"{each.plan} {each.item.name}", query.page, filters)


def _named(items: Iterable[I], name: str) -> I | None:
    return next((item for item in items if item.name == name), None)


def _others(items: Iterable[I], name: str) -> tuple[I, ...]:
    return tuple(item for item in items if item.name != name)


def _required(kind: str, plan: Plan, items: Iterable[I], name: str) -> I:
    found = _named(items, checked(kind, name, "name"))
    if found is None:
        raise NotFound(
            ErrorReason(f"{kind.upper()}_NOT_FOUND"),
            f"{plans.told(plan)} sets no {kind} {name!r} itself; list the {kind}s to see which do",
            field="name",
            details={"plan": plan.id, kind: name},
        )
    return found
