"""`authz tenants`: whether an account is open, what is scheduled for it, its end and its return."""

from datetime import datetime
from typing import Annotated, Final

import typer
from google.protobuf.timestamp_pb2 import Timestamp

from authz_service.cli.display import tables
from authz_service.cli.display.tenant_table import counts, tenant_facts
from authz_service.cli.display.words import instant, timestamp, word
from authz_service.cli.options import Limit, Reason, Tenant
from authz_service.cli.paging import every, total
from authz_service.cli.registration import changes, reads
from authz_service.cli.session import Session
from authz_service.cli.time_options import ScheduledAt, Until
from authz_service.domain.tenant import SuspensionReason, TenantState
from authz_service.gen.authz.v1 import (
    error_reason_pb2,
    subscription_pb2,
    suspension_pb2,
    tenant_pb2,
)

commands = typer.Typer()

Why = Annotated[
    SuspensionReason,
    typer.Option("--for", help="What suspends the account; each reason is lifted alone."),
]
Then = Annotated[
    TenantState | None,
    typer.Option("--then", help="What follows the trial: suspended, the default, or active."),
]

_NO_END: Final = "name the end: --until +30d"


@changes(commands)
def suspend(
    session: Session, tenant: Tenant, why: Why = SuspensionReason.ADMIN, reason: Reason = ""
) -> None:
    """Close an account for now: everything in it is denied until each reason is lifted."""
    answer = session.tenants.SuspendTenant(
        tenant_pb2.SuspendTenantRequest(
            tenant=tenant, suspension_reason=_suspension(why), reason=reason
        )
    )
    session.show(answer, tenant_facts(answer.tenant))


@changes(commands)
def resume(
    session: Session, tenant: Tenant, why: Why = SuspensionReason.ADMIN, reason: Reason = ""
) -> None:
    """Lift one reason; the account opens when no other is left."""
    answer = session.tenants.ResumeTenant(
        tenant_pb2.ResumeTenantRequest(
            tenant=tenant, suspension_reason=_suspension(why), reason=reason
        )
    )
    session.show(answer, tenant_facts(answer.tenant))


@changes(commands)
def trial(
    session: Session, tenant: Tenant, until: Until = None, then: Then = None, reason: Reason = ""
) -> None:
    """Put an account on trial until an instant, or give its trial another end."""
    request = tenant_pb2.StartTrialRequest(
        tenant=tenant,
        trial_end_time=_required(until),
        after_trial=state_number(then),
        reason=reason,
    )
    answer = session.tenants.StartTrial(request)
    session.show(answer, tenant_facts(answer.tenant))


@changes(commands)
def grace(session: Session, tenant: Tenant, until: Until = None, reason: Reason = "") -> None:
    """Keep an account open although something is due; it is suspended at the instant by itself."""
    request = tenant_pb2.StartGraceRequest(
        tenant=tenant, grace_end_time=_required(until), reason=reason
    )
    answer = session.tenants.StartGrace(request)
    session.show(answer, tenant_facts(answer.tenant))


@changes(commands)
def activate(session: Session, tenant: Tenant, reason: Reason = "") -> None:
    """Let an account be active without end: a trial became a contract, what was due is paid."""
    request = tenant_pb2.ActivateTenantRequest(tenant=tenant, reason=reason)
    answer = session.tenants.ActivateTenant(request)
    session.show(answer, tenant_facts(answer.tenant))


@reads(commands)
def scheduled(
    session: Session,
    tenant: Annotated[
        str, typer.Argument(metavar="[TENANT]", help="Only this account; all if not given.")
    ] = "",
    limit: Limit = None,
) -> None:
    """List what will change by itself: tiers, add-ons, states; the next change first."""
    request = subscription_pb2.ListScheduledChangesRequest(tenant=tenant)
    answer = every(
        session.subscriptions.ListScheduledChanges, request, lambda page: page.changes, limit
    )
    rows = [
        (
            instant(change.effective_time),
            change.tenant,
            _kind(change.kind),
            change.before,
            change.after,
            change.id,
        )
        for change in answer.changes
    ]
    session.show(
        answer,
        tables.table(("WHEN", "TENANT", "WHAT", "FROM", "TO", "ID"), rows),
        note=total(len(rows), "scheduled change", answer),
    )


@changes(commands)
def cancel(
    session: Session,
    tenant: Tenant,
    change: Annotated[str, typer.Argument(metavar="ID", help="As scheduled shows it.")],
    reason: Reason = "",
) -> None:
    """Take back a scheduled change: what was to end with it goes on."""
    request = subscription_pb2.CancelScheduledChangeRequest(tenant=tenant, id=change, reason=reason)
    answer = session.subscriptions.CancelScheduledChange(request)
    session.show(answer, tenant_facts(answer.tenant, ("cancelled", answer.change.id)))


@changes(commands)
def offboard(session: Session, tenant: Tenant, at: ScheduledAt = None, reason: Reason = "") -> None:
    """End an account with its members, grants, exceptions and keys. A terminal is asked first.

    With --at, access ends at that instant by itself; all else stays until you offboard again.
    """
    session.confirm(f"End {tenant} and all access in it?")
    request = tenant_pb2.OffboardTenantRequest(tenant=tenant, end_time=timestamp(at), reason=reason)
    answer = session.tenants.OffboardTenant(request)
    session.show(answer, tenant_facts(answer.tenant, ("ended", counts(answer.ended))))


@changes(commands)
def reactivate(
    session: Session,
    tenant: Tenant,
    tier: Annotated[
        str, typer.Option("--tier", metavar="TIER", help="The one it had if not given.")
    ] = "",
    reason: Reason = "",
) -> None:
    """Bring an account back with what its end took from it; invitations and keys are made anew."""
    request = tenant_pb2.ReactivateTenantRequest(tenant=tenant, tier=tier, reason=reason)
    answer = session.tenants.ReactivateTenant(request)
    left_out = [
        (
            role.role,
            str(role.role_grants),
            word(error_reason_pb2.ErrorReason, role.error_reason).upper(),
        )
        for role in answer.left_out
    ]
    facts = tenant_facts(answer.tenant, ("restored", counts(answer.restored)))
    lost = tables.table(("ROLE LEFT OUT", "GRANTS", "WHY"), left_out)
    session.show(answer, facts, *([lost] if left_out else []))


def state_number(state: TenantState | None) -> tenant_pb2.TenantState.ValueType:
    return tenant_pb2.TenantState.Value(f"TENANT_STATE_{state.name if state else 'UNSPECIFIED'}")


def _required(until: datetime | None) -> Timestamp:
    at = timestamp(until)
    if at is None:
        raise typer.BadParameter(_NO_END)
    return at


def _kind(kind: subscription_pb2.ScheduledKind.ValueType) -> str:
    return word(subscription_pb2.ScheduledKind, kind).replace("_", "-")


def _suspension(why: SuspensionReason) -> suspension_pb2.SuspensionReason.ValueType:
    return suspension_pb2.SuspensionReason.Value(f"SUSPENSION_REASON_{why.name}")
