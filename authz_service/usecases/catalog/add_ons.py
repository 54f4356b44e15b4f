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


@change
def create_add_on(tx: Transaction, command: CreatePlan) -> Plan:
    return plans.create(tx, command)


@change
def put_add_on(tx: Transaction, command: PutPlan) -> Plan:
    return plans.put(tx, command)


@change
def update_add_on(tx: Transaction, command: UpdatePlan) -> Plan:
    return plans.update(tx, command)


@change
def delete_add_on(tx: Transaction, command: DeleteObject) -> Deleted[Plan]:
    return plans.remove(tx, ADD_ON, command)


@read
def get_add_on(view: View, query: Named) -> Plan:
    return preconditions.plan(view.index, ADD_ON + query.id, "id")


@read
def list_add_ons(view: View, query: ListPlans) -> Page[Plan]:
    return plans.listed(view, ADD_ON, query)
