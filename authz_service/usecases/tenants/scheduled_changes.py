"""Scheduled changes of customers' accounts."""

from dataclasses import dataclass

from authz_service.domain.lifecycle import require_not_offboarded
from authz_service.domain.schedule import ScheduledChange, cancelled, scheduled
from authz_service.domain.tenant import SYSTEM
from authz_service.domain.window import rfc3339
from authz_service.errors import ErrorReason, NotFound
from authz_service.store.unit_of_work import Transaction
from authz_service.usecases.kernel import paging, preconditions
from authz_service.usecases.kernel.execution import View, change, read
from authz_service.usecases.kernel.paging import Page, PageRequest
from authz_service.usecases.tenants.tenant_view import TenantNow, changed


@dataclass(frozen=True, slots=True, kw_only=True)
class ListScheduled:
    """`tenant` "" stands for all."""

    page: PageRequest
    tenant: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class OneScheduled:
    tenant: str
    id: str


@dataclass(frozen=True, slots=True)
class Cancelled:
    tenant: TenantNow
    change: ScheduledChange


@read
def list_scheduled_changes(view: View, query: ListScheduled) -> Page[ScheduledChange]:
    """List what lies ahead, the next change first."""
    if query.tenant:
        tenants = [preconditions.customer(view.index, query.tenant)]
    else:
        tenants = [entry.fact for name, entry in view.index.tenants.items() if name != SYSTEM]
    changes = [change_ahead for tenant in tenants for change_ahead in scheduled(tenant, view.now)]
    changes.sort(key=_place)
    return paging.page(changes, _place, query.page, ["scheduled", query.tenant])


@change
def cancel_scheduled_change(tx: Transaction, command: OneScheduled) -> Cancelled:
    """Take one change back: what was to end with it goes on."""
    tenant = preconditions.customer(tx.index, command.tenant)
    require_not_offboarded(tenant, tx.now, "changed")
    for change_ahead in scheduled(tenant, tx.now):
        if change_ahead.id == command.id:
            after = cancelled(tenant, change_ahead)
            return Cancelled(changed(tx, "tenant.schedule_cancelled", tenant, after), change_ahead)
    raise NotFound(
        ErrorReason.SCHEDULED_CHANGE_NOT_FOUND,
        f"no change {command.id[:140]!r} lies ahead of {tenant.id!r}; list the scheduled changes",
        field="id",
    )


def _place(scheduled_change: ScheduledChange) -> str:
    """Write what orders all changes: instant, tenant, id."""
    return f"{rfc3339(scheduled_change.at)} {scheduled_change.tenant} {scheduled_change.id}"
