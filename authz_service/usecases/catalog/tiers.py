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


@change
def create_tier(tx: Transaction, command: CreatePlan) -> Plan:
    return plans.create(tx, command)


@change
def put_tier(tx: Transaction, command: PutPlan) -> Plan:
    return plans.put(tx, command)


@change
def update_tier(tx: Transaction, command: UpdatePlan) -> Plan:
    return plans.update(tx, command)


@change
def delete_tier(tx: Transaction, command: DeleteObject) -> Deleted[Plan]:
    return plans.remove(tx, TIER, command)


@read
def get_tier(view: View, query: Named) -> Plan:
    return preconditions.plan(view.index, TIER + query.id, "id")


@read
def list_tiers(view: View, query: ListPlans) -> Page[Plan]:
    return plans.listed(view, TIER, query)
