"""Whether a customer's account is open: suspension by reason, and dated trial and grace."""

from dataclasses import dataclass

from authz_service.domain.lifecycle import activated, in_grace, on_trial, resumed, suspended
from authz_service.domain.schedule import checked_later
from authz_service.domain.tenant import SuspensionReason, TenantState
from authz_service.domain.window import Instant
from authz_service.store.unit_of_work import Transaction
from authz_service.usecases.kernel import preconditions
from authz_service.usecases.kernel.execution import change
from authz_service.usecases.tenants.onboarding import OneTenant, after_trial
from authz_service.usecases.tenants.tenant_view import TenantNow, changed


@dataclass(frozen=True, slots=True, kw_only=True)
class Suspension:
    """One reason to lay on a tenant, or to lift."""

    tenant: str
    reason: SuspensionReason


@dataclass(frozen=True, slots=True, kw_only=True)
class StartTrial:
    """`then` None means suspended."""

    tenant: str
    until: Instant
    then: TenantState | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class StartGrace:
    tenant: str
    until: Instant


@change
def suspend_tenant(tx: Transaction, command: Suspension) -> TenantNow:
    tenant = preconditions.customer(tx.index, command.tenant)
    preconditions.laid_by_hand(command.reason)
    return changed(tx, "tenant.suspended", tenant, suspended(tenant, command.reason, tx.now))


@change
def resume_tenant(tx: Transaction, command: Suspension) -> TenantNow:
    tenant = preconditions.customer(tx.index, command.tenant)
    return changed(tx, "tenant.resumed", tenant, resumed(tenant, command.reason, tx.now))


@change
def start_trial(tx: Transaction, command: StartTrial) -> TenantNow:
    """Put a tenant on trial, or give its trial another end."""
    tenant = preconditions.customer(tx.index, command.tenant)
    until = checked_later(command.until, tx.now, "trial_end_time")
    after = on_trial(tenant, until, after_trial(command.then, "after_trial"), tx.now)
    return changed(tx, "tenant.trial_started", tenant, after)


@change
def start_grace(tx: Transaction, command: StartGrace) -> TenantNow:
    """Keep a tenant open until an instant although something is due, or name another instant."""
    tenant = preconditions.customer(tx.index, command.tenant)
    until = checked_later(command.until, tx.now, "grace_end_time")
    return changed(tx, "tenant.grace_started", tenant, in_grace(tenant, until, tx.now))


@change
def activate_tenant(tx: Transaction, command: OneTenant) -> TenantNow:
    """End a trial or a grace well, or open a tenant that one of them closed."""
    tenant = preconditions.customer(tx.index, command.tenant)
    return changed(tx, "tenant.activated", tenant, activated(tenant, tx.now))
