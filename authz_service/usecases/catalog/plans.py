"""What tiers and add-ons have in common: what can be asked of them, and how they are changed."""

from dataclasses import dataclass, replace
from typing import Final

from authz_service.domain.catalog import ADD_ON, TIER, Plan, chain
from authz_service.domain.change import Revision
from authz_service.domain.policy_set import PolicySet
from authz_service.domain.tier_versions import next_version
from authz_service.errors import ErrorReason
from authz_service.store.unit_of_work import Transaction
from authz_service.usecases.catalog import validation
from authz_service.usecases.catalog.deletion import Deleted, DeleteObject, delete
from authz_service.usecases.catalog.objects import require_absent, require_revision, updated, write
from authz_service.usecases.kernel import paging, preconditions
from authz_service.usecases.kernel.execution import View
from authz_service.usecases.kernel.lockout import require_operable
from authz_service.usecases.kernel.paging import Page, PageRequest

UPDATABLE: Final = ("permissions", "features", "limits", "assignable_roles", "description")


@dataclass(frozen=True, slots=True, kw_only=True)
class CreatePlan:
    plan: Plan
    tenant: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class PutPlan:
    plan: Plan
    expected_revision: Revision = 0
    tenant: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class UpdatePlan:
    """Only the fields that `mask` names are taken from `plan`."""

    plan: Plan
    mask: tuple[str, ...]
    expected_revision: Revision = 0
    tenant: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ListPlans:
    """Both filters look at what a plan extends, too; "" stands for any."""

    page: PageRequest
    permission: str = ""
    feature: str = ""
    tenant: str = ""


def create(tx: Transaction, command: CreatePlan) -> Plan:
    before = tx.index.plans.get(command.plan.id)
    require_absent(before, ErrorReason.PLAN_EXISTS, told(command.plan), f"{field(command.plan)}.id")
    return put_plan(tx, before, command.plan)


def put(tx: Transaction, command: PutPlan) -> Plan:
    before = tx.index.plans.get(command.plan.id)
    require_revision(before, command.expected_revision, told(command.plan))
    return put_plan(tx, before, command.plan)


def update(tx: Transaction, command: UpdatePlan) -> Plan:
    before = preconditions.plan(tx.index, command.plan.id, f"{field(command.plan)}.id")
    require_revision(before, command.expected_revision, told(before))
    updatable = ("extends", *UPDATABLE) if before.id.startswith(TIER) else UPDATABLE
    return put_plan(tx, before, updated(before, command.plan, command.mask, updatable))


def remove(tx: Transaction, prefix: str, command: DeleteObject) -> Deleted[Plan]:
    going = preconditions.plan(tx.index, prefix + command.id, "id")
    require_revision(going, command.expected_revision, told(going))
    replacement = ""
    if command.replacement:
        replacement = preconditions.plan(tx.index, prefix + command.replacement, "replacement").id
    return delete(tx, field(going), going, replacement)


def listed(view: View, prefix: str, query: ListPlans) -> Page[Plan]:
    """List the plans of one kind by id; versions kept of tiers are left out."""
    index = view.index
    if query.permission:
        preconditions.permission(index, query.permission, "permission")
    found = []
    sold = (n for n, plan in index.plans.items() if n.startswith(prefix) and not plan.is_kept)
    for name in sorted(sold):
        line = chain(index.plans, name)
        sells = not query.permission or any(query.permission in p.permissions for p in line)
        features = {feature.name for plan in line for feature in plan.features}
        if sells and (not query.feature or query.feature in features):
            found.append(index.plans[name])
    filters = [prefix, query.permission, query.feature]
    return paging.page(found, lambda plan: plan.id, query.page, filters)


def put_plan(tx: Transaction, before: Plan | None, after: Plan) -> Plan:
    """Check a plan as it will be, and write it."""
    where = field(after)
    validation.check(tx.index, as_set(after), where)
    validation.check_deprecated(tx.index, before, after, f"{where}.permissions")
    if after.id.startswith(TIER):
        after = replace(after, version=next_version(tx.index.plans, after.id))
    now = write(tx, where, before, after)
    require_operable(tx)
    return now


def as_set(plan: Plan) -> PolicySet:
    """Make the policy that holds one plan alone."""
    return PolicySet(add_ons=(plan,)) if plan.id.startswith(ADD_ON) else PolicySet(tiers=(plan,))


def field(plan: Plan) -> str:
    """Name the request's field that holds a plan of this kind; audit actions begin so, too."""
    return "add_on" if plan.id.startswith(ADD_ON) else "tier"


def told(plan: Plan) -> str:
    return f"{plan.kind} {plan.name!r}"
