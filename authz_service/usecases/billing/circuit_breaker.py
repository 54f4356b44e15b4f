"""The breaker: when events close very many tenants, somebody must look before more are closed."""

from dataclasses import replace

from authz_service.domain.audit import AuditRecord
from authz_service.domain.billing_event import Intake
from authz_service.domain.billing_policy import BillingPolicy
from authz_service.domain.tenant import SYSTEM
from authz_service.domain.window import Instant
from authz_service.engine.index import Index
from authz_service.store import events
from authz_service.store.unit_of_work import Transaction


def lets_through(tx: Transaction, policy: BillingPolicy, tenant: str) -> bool:
    """Tell whether an event may close a tenant; if it is one too many, the breaker opens."""
    intake = events.intake(tx.connection)
    if intake.breaker_opened_at:
        return False
    since = counted_since(intake, policy, tx.now)
    closed, most = events.closed_since(tx.connection, since) | {tenant}, allowed(tx.index, policy)
    if len(closed) <= most:
        return True
    events.set_intake(tx.connection, replace(intake, breaker_opened_at=tx.now))
    details = {"closed": str(len(closed)), "allowed": str(most)}
    tx.record(AuditRecord("intake.breaker_opened", SYSTEM, ("intake",), details=details))
    return False


def counted_since(intake: Intake, policy: BillingPolicy, now: Instant) -> Instant:
    """Tell after which instant closings count."""
    return max(intake.counted_from, now - policy.breaker.window)


def allowed(index: Index, policy: BillingPolicy) -> int:
    """Tell how many tenants events may close within the window; `system` is not counted."""
    return max(policy.breaker.at_least, (index.tenants.size - 1) * policy.breaker.share // 100)
