"""Features and limits, one at a time, each in the tier or add-on that sets it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Final, Generic, TypeVar

from pydantic import TypeAdapter

from authz_service.domain.audit import AuditRecord
from authz_service.domain.catalog import Feature, Limit, Plan
from authz_service.domain.change import Revision
from authz_service.domain.identifiers import checked
from authz_service.domain.policy_validation import violations
from authz_service.domain.tenant import SYSTEM
from authz_service.errors import AlreadyExists, ErrorReason, InvalidArgument, NotFound
from authz_service.store.unit_of_work import Transaction
from authz_service.usecases.catalog import objects, plans
from authz_service.usecases.kernel import declared, field_masks, guard, paging, preconditions
from authz_service.usecases.kernel.execution import ChangeCase, Command, ReadCase, View
from authz_service.usecases.kernel.paging import Page, PageRequest
from authz_service.usecases.kernel.rights import access_of

C = TypeVar("C", bound=Command)
I = TypeVar("I", bound=Feature | Limit)  # noqa: E741 - an item


@dataclass(frozen=True, slots=True)
class OfPlan(Generic[I]):
    """A feature or limit, the plan that sets it, and the revision that wrote the plan last."""

    plan: str
    item: I
    revision: Revision


@dataclass(frozen=True, slots=True, kw_only=True)
class CreateItem(Generic[I]):
    plan: str
    item: I
    tenant: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class UpdateItem(Generic[I]):
    """Only the fields that `mask` names are taken from `item`; all of them to create it."""

    plan: str
    item: I
    mask: tuple[str, ...]
    allow_missing: bool = False
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


@dataclass(frozen=True, slots=True, kw_only=True)
class ItemKind(Generic[I]):
    """Features or limits: where a plan has them, and the parts of one by the fields of the API."""

    noun: str
    type: type[I]
    items: Callable[[Plan], tuple[I, ...]]
    replaced: Callable[[Plan, tuple[I, ...]], Plan]
    updatable: Mapping[str, tuple[str, ...]]
    exists: ErrorReason
    missing: ErrorReason

    @property
    def name(self) -> str:
        return self.noun.capitalize()

    def find(self, plan: Plan, name: str) -> I | None:
        return next((item for item in self.items(plan) if item.name == name), None)

    def require(self, plan: Plan, name: str, field: str = "name") -> I:
        item = self.find(plan, checked(self.noun, name, field))
        if item is None:
            raise NotFound(
                self.missing,
                f"{plans.label(plan)} does not set {self.noun} {name!r} itself; list the "
                f"{self.noun}s to see which plans do",
                field=field,
                details={"plan": plan.id, self.noun: name},
            )
        return item

    def without(self, plan: Plan, name: str) -> Plan:
        return self.replaced(plan, tuple(item for item in self.items(plan) if item.name != name))

    def having(self, plan: Plan, item: I) -> Plan:
        rest = self.items(self.without(plan, item.name))
        return self.replaced(plan, (*rest, item))


FEATURES: Final = ItemKind(
    noun="feature",
    type=Feature,
    items=lambda plan: plan.features,
    replaced=lambda plan, features: replace(plan, features=features),
    updatable={
        "enabled": ("value", "kind", "rank"),
        "number": ("value", "kind", "rank"),
        "text": ("value", "kind", "rank"),
        "rank": ("rank",),
    },
    exists=ErrorReason.FEATURE_EXISTS,
    missing=ErrorReason.FEATURE_NOT_FOUND,
)

LIMITS: Final = ItemKind(
    noun="limit",
    type=Limit,
    items=lambda plan: plan.limits,
    replaced=lambda plan, limits: replace(plan, limits=limits),
    updatable={
        "value": ("value",),
        "unlimited": ("value",),
        "unit": ("unit",),
        "period": ("period",),
        "reset": ("reset",),
    },
    exists=ErrorReason.LIMIT_EXISTS,
    missing=ErrorReason.LIMIT_NOT_FOUND,
)


def _create(kind: ItemKind[I]) -> ChangeCase[CreateItem[I], OfPlan[I]]:
    def body(tx: Transaction, command: CreateItem[I]) -> OfPlan[I]:
        plan, item = preconditions.plan(tx.index, command.plan), command.item
        if kind.find(plan, item.name) is not None:
            raise AlreadyExists(
                kind.exists,
                f"{plans.label(plan)} sets {kind.noun} {item.name!r} already; update it",
                field=f"{kind.noun}.name",
                details={"revision": str(plan.revision)},
            )
        return _write(tx, kind, plan, None, item)

    return _change(f"Create{kind.name}", body, kind)


def _update(kind: ItemKind[I]) -> ChangeCase[UpdateItem[I], OfPlan[I]]:
    def body(tx: Transaction, command: UpdateItem[I]) -> OfPlan[I]:
        plan = _plan(tx, command.plan, command.expected_revision)
        name = command.item.name
        before = kind.find(plan, name)
        if before is None and not command.allow_missing:
            before = kind.require(plan, name, f"{kind.noun}.name")
        paths = field_masks.checked(command.mask, tuple(kind.updatable))
        if before is None:
            may_create = access_of(f"Create{kind.name}").right
            guard.require(tx.index, tx.call.actor, may_create, "", tx.now)
            return _write(tx, kind, plan, None, command.item)
        parts = {part for path in paths for part in kind.updatable[path]}
        item = replace(before, **{part: getattr(command.item, part) for part in parts})
        return _write(tx, kind, plan, before, item)

    return _change(f"Update{kind.name}", body, kind)


def _delete(kind: ItemKind[I]) -> ChangeCase[DeleteItem, OfPlan[I]]:
    def body(tx: Transaction, command: DeleteItem) -> OfPlan[I]:
        """Take an item out. What then nothing sets denies: closing is never refused."""
        plan = _plan(tx, command.plan, command.expected_revision)
        item = kind.require(plan, command.name)
        _replace(tx, f"{kind.noun}.deleted", plan, kind.without(plan, command.name), command.name)
        return OfPlan(plan.id, item, tx.revision)

    return _change(f"Delete{kind.name}", body, kind)


def _get(kind: ItemKind[I]) -> ReadCase[OneItem, OfPlan[I]]:
    def body(view: View, query: OneItem) -> OfPlan[I]:
        plan = preconditions.plan(view.index, query.plan)
        return OfPlan(plan.id, kind.require(plan, query.name), plan.revision)

    rpc = f"Get{kind.name}"
    return ReadCase(rpc, access_of(rpc), body)


def _list(kind: ItemKind[I]) -> ReadCase[ListItems, Page[OfPlan[I]]]:
    def body(view: View, query: ListItems) -> Page[OfPlan[I]]:
        if query.plan:
            preconditions.plan(view.index, query.plan)
        if query.name:
            checked(kind.noun, query.name, "name")
        items = [
            OfPlan(plan.id, item, plan.revision)
            for plan_id, plan in sorted(view.index.plans.items())
            if query.plan in ("", plan_id) and not plan.is_kept
            for item in kind.items(plan)
            if query.name in ("", item.name)
        ]
        filters = [kind.noun, query.plan, query.name]
        # A space sorts before all that names are made of, so keys sort as plan and name do.
        return paging.page(items, lambda item: f"{item.plan} {item.item.name}", query.page, filters)

    rpc = f"List{kind.name}s"
    return ReadCase(rpc, access_of(rpc), body)


def _change(
    rpc: str, body: Callable[[Transaction, C], OfPlan[I]], kind: ItemKind[I]
) -> ChangeCase[C, OfPlan[I]]:
    return ChangeCase(rpc, access_of(rpc), body, TypeAdapter(OfPlan[kind.type]))  # type: ignore[name-defined] # known at run time


def _plan(tx: Transaction, plan_id: str, expected: Revision) -> Plan:
    plan = preconditions.plan(tx.index, plan_id)
    field_masks.unchanged(plan.revision, expected, plans.label(plan))
    return plan


def _write(tx: Transaction, kind: ItemKind[I], plan: Plan, before: I | None, item: I) -> OfPlan[I]:
    """Replace a plan by one with another item. The rule that is broken is the item's."""
    after = kind.having(plan, item)
    for violation in violations(plans.as_set(after), declared.existing(tx.index)):
        field = ".".join((kind.noun, *violation.path[4:]))
        raise InvalidArgument(violation.reason, violation.message, field=field)
    if plan == after:
        return OfPlan(plan.id, item, plan.revision)
    _replace(tx, objects.written(kind.noun, before), plan, after, item.name)
    return OfPlan(plan.id, item, tx.revision)


def _replace(tx: Transaction, action: str, before: Plan, after: Plan, item: str) -> None:
    tx.change(before, after)
    tx.record(AuditRecord(action, SYSTEM, (before.id, item), before, after, tx.call.reason))


create_feature: Final = _create(FEATURES)
update_feature: Final = _update(FEATURES)
delete_feature: Final = _delete(FEATURES)
get_feature: Final = _get(FEATURES)
list_features: Final = _list(FEATURES)

create_limit: Final = _create(LIMITS)
update_limit: Final = _update(LIMITS)
delete_limit: Final = _delete(LIMITS)
get_limit: Final = _get(LIMITS)
list_limits: Final = _list(LIMITS)
