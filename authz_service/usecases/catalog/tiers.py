"""Tiers: what customers buy."""

from authz_service.domain.catalog import TIER, Plan
from authz_service.store.unit_of_work import Transaction
from authz_service.usecases.catalog import plans
from authz_service.usecases.catalog.deletion import Deleted, DeleteObject
from authz_service.usecases.catalog.objects import Named
from authz_service.usecases.catalog.plans import CreatePlan, ListPlans, PutPlan, UpdatePlan
from authz_service.usecases.kernel import preconditions
from authz_service.usecases.kernel.execution import View, change, read
from authz_service.usecases.kernel.paging import Page


@change("tiers:put")
def create_tier(tx: Transaction, wanted: CreatePlan) -> Plan:
    return plans.create(tx, wanted)


@change("tiers:put")
def put_tier(tx: Transaction, wanted: PutPlan) -> Plan:
    return plans.put(tx, wanted)


@change("tiers:put")
def update_tier(tx: Transaction, wanted: UpdatePlan) -> Plan:
    return plans.update(tx, wanted)


@change("tiers:delete")
def delete_tier(tx: Transaction, wanted: DeleteObject) -> Deleted[Plan]:
    return plans.remove(tx, TIER, wanted)


@read("tiers:get")
def get_tier(view: View, wanted: Named) -> Plan:
    return preconditions.plan(view.index, TIER + wanted.id, "id")


@read("tiers:list")
def list_tiers(view: View, wanted: ListPlans) -> Page[Plan]:
    return plans.listed(view, TIER, wanted)
