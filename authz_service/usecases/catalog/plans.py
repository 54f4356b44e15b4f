"""Tiers and add-ons: what customers buy. All that can be done with a plan, said once for both."""

from dataclasses import dataclass, replace
from typing import Final

from authz_service.domain.catalog import ADD_ON, TIER, Plan, chain
from authz_service.domain.policy_set import PolicySet
from authz_service.domain.tier_versions import next_version
from authz_service.engine.index import Index
from authz_service.errors import ErrorReason
from authz_service.store.unit_of_work import Transaction
from authz_service.usecases.catalog import kinds, validation
from authz_service.usecases.catalog.kinds import Kind
from authz_service.usecases.catalog.objects import write
from authz_service.usecases.kernel import paging, preconditions
from authz_service.usecases.kernel.execution import ReadCase, View
from authz_service.usecases.kernel.lockout import require_operable
from authz_service.usecases.kernel.paging import Page, PageRequest
from authz_service.usecases.kernel.rights import access_of


@dataclass(frozen=True, slots=True, kw_only=True)
class ListPlans:
    """Both filters look at what a plan extends, too; "" stands for any."""

    page: PageRequest
    permission: str = ""
    feature: str = ""
    tenant: str = ""


def _write(tx: Transaction, before: Plan | None, after: Plan) -> Plan:
    kind = kind_of(after)
    validation.check(tx.index, as_set(after), kind.field)
    validation.check_deprecated(tx.index, before, after, f"{kind.field}.permissions")
    if kind is TIERS:
        after = replace(after, version=next_version(tx.index.plans, after.id))
    now = write(tx, kind.field, before, after)
    require_operable(tx)
    return now


def _plans(name: str, field: str, prefix: str, exists: ErrorReason, *updatable: str) -> Kind[Plan]:
    """Describe a kind of plan; `prefix` stands before the names in ids."""

    def find(index: Index, name: str) -> Plan | None:
        return index.plans.get(prefix + name)

    def require(index: Index, name: str, field: str) -> Plan:
        return preconditions.plan(index, prefix + name, field)

    return Kind(
        name=name,
        field=field,
        type=Plan,
        exists=exists,
        updatable=(
            "permissions", *updatable, "features", "limits", "assignable_roles", "description",
        ),
        find=find,
        require=require,
        write=_write,
        name_of=lambda plan: plan.name,
    )  # fmt: skip


TIERS: Final = _plans(
    "Tier", "tier", TIER, ErrorReason.TIER_EXISTS, "extends", "suspended_free_seats"
)
ADD_ONS: Final = _plans("AddOn", "add_on", ADD_ON, ErrorReason.ADD_ON_EXISTS)


def kind_of(plan: Plan) -> Kind[Plan]:
    return ADD_ONS if plan.id.startswith(ADD_ON) else TIERS


def label(plan: Plan) -> str:
    return kind_of(plan).label(plan.name)


def as_set(plan: Plan) -> PolicySet:
    """Make the policy that holds one plan alone."""
    return PolicySet(add_ons=(plan,)) if plan.id.startswith(ADD_ON) else PolicySet(tiers=(plan,))


def _listing(rpc: str, prefix: str) -> ReadCase[ListPlans, Page[Plan]]:
    def body(view: View, query: ListPlans) -> Page[Plan]:
        if query.permission:
            preconditions.permission(view.index, query.permission, "permission")
        plans = view.index.plans
        # A kept version of a tier is not for sale.
        names = sorted(n for n, plan in plans.items() if n.startswith(prefix) and not plan.is_kept)
        matching = [plans[name] for name in names if _matches(chain(plans, name), query)]
        filters = [prefix, query.permission, query.feature]
        return paging.page(matching, lambda plan: plan.id, query.page, filters)

    return ReadCase(rpc, access_of(rpc), body)


def _matches(line: list[Plan], query: ListPlans) -> bool:
    """Tell whether a plan, with what it extends, is one that is asked for."""
    permissions = {permission for plan in line for permission in plan.permissions}
    features = {feature.name for plan in line for feature in plan.features}
    return query.permission in {"", *permissions} and query.feature in {"", *features}


create_tier: Final = kinds.create(TIERS)
update_tier: Final = kinds.update(TIERS)
delete_tier: Final = kinds.delete(TIERS)
get_tier: Final = kinds.get(TIERS)
list_tiers: Final = _listing("ListTiers", TIER)

create_add_on: Final = kinds.create(ADD_ONS)
update_add_on: Final = kinds.update(ADD_ONS)
delete_add_on: Final = kinds.delete(ADD_ONS)
get_add_on: Final = kinds.get(ADD_ONS)
list_add_ons: Final = _listing("ListAddOns", ADD_ON)
