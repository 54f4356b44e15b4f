"""Add-ons: what customers buy beside a tier."""

from authz_service.domain.catalog import ADD_ON, Plan
from authz_service.store.unit_of_work import Transaction
from authz_service.usecases.catalog import plans
from authz_service.usecases.catalog.deletion import Deleted, DeleteObject
from authz_service.usecases.catalog.objects import Named
from authz_service.usecases.catalog.plans import CreatePlan, ListPlans, PutPlan, UpdatePlan
from authz_service.usecases.kernel import preconditions
from authz_service.usecases.kernel.execution import View, change, read
from authz_service.usecases.kernel.paging import Page


@change("add_ons:put")
def create_add_on(tx: Transaction, wanted: CreatePlan) -> Plan:
    return plans.create(tx, wanted)


@change("add_ons:put")
def put_add_on(tx: Transaction, wanted: PutPlan) -> Plan:
    return plans.put(tx, wanted)


@change("add_ons:put")
def update_add_on(tx: Transaction, wanted: UpdatePlan) -> Plan:
    return plans.update(tx, wanted)


@change("add_ons:delete")
def delete_add_on(tx: Transaction, wanted: DeleteObject) -> Deleted[Plan]:
    return plans.remove(tx, ADD_ON, wanted)


@read("add_ons:get")
def get_add_on(view: View, wanted: Named) -> Plan:
    return preconditions.plan(view.index, ADD_ON + wanted.id, "id")


@read("add_ons:list")
def list_add_ons(view: View, wanted: ListPlans) -> Page[Plan]:
    return plans.listed(view, ADD_ON, wanted)
