"""`authz tenants`: whether an account is open, what is scheduled for it, its end and its return."""

from collections.abc import Iterable
from typing import Annotated, Final

import typer
from rich.console import RenderableType

from authz_service.cli.display import tables
from authz_service.cli.display.plan_values import limit_value
from authz_service.cli.display.tenant_table import counts, tenant_facts
from authz_service.cli.display.words import instant, timestamp, word
from authz_service.cli.family import REQUIRED, Family, Option, number
from authz_service.cli.options import Reason, Tenant
from authz_service.cli.registration import changes
from authz_service.cli.session import Session
from authz_service.cli.time_options import RequiredUntil, ScheduledAt
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

OfTenant = Annotated[
    str, typer.Argument(metavar="[TENANT]", help="Only this account; all if not given.")
]


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

    With --at, access ends at that instant; everything else stays until you offboard again.
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


def _kind(kind: subscription_pb2.ScheduledKind.ValueType) -> str:
    return word(subscription_pb2.ScheduledKind, kind).replace("_", "-")


def _value(value: subscription_pb2.ScheduledValue) -> str:
    match value.WhichOneof("value"):
        case "state":
            return word(tenant_pb2.TenantState, value.state)
        case "limit":
            return f"{value.limit.name} {limit_value(value.limit)}"
        case None:
            return ""
        case plan:
            return str(getattr(value, plan))


def _scheduled_table(pending: Iterable[subscription_pb2.ScheduledChange]) -> RenderableType:
    rows = [
        (instant(change.effective_time), change.tenant, _kind(change.kind),
         _value(change.before), _value(change.after), change.id)
        for change in pending
    ]  # fmt: skip
    return tables.table(("WHEN", "TENANT", "WHAT", "FROM", "TO", "ID"), rows)


_WHY: Final = Option(Why, number(suspension_pb2.SuspensionReason), SuspensionReason.ADMIN)

TENANTS: Final = Family(
    commands,
    service=lambda session: session.tenants,
    field="tenant",
    shown=tenant_facts,
)
TENANTS.changes(
    "suspend",
    "SuspendTenant",
    "Deny everything in an account until each reason is lifted.",
    tenant=Tenant,
    suspension_reason=_WHY,
)
TENANTS.changes(
    "resume",
    "ResumeTenant",
    "Lift one reason; the account opens when no other is left.",
    tenant=Tenant,
    suspension_reason=_WHY,
)
TENANTS.changes(
    "trial",
    "StartTrial",
    "Put an account on trial until an instant, or give its trial another end.",
    tenant=Tenant,
    trial_end_time=Option(RequiredUntil, timestamp, REQUIRED),
    after_trial=Option(Then, number(tenant_pb2.TenantState)),
)
TENANTS.changes(
    "grace",
    "StartGrace",
    "Keep an account open although something is due; it is suspended at the instant.",
    tenant=Tenant,
    grace_end_time=Option(RequiredUntil, timestamp, REQUIRED),
)
TENANTS.changes(
    "activate",
    "ActivateTenant",
    "Let an account be active without end: a trial became a contract, what was due is paid.",
    tenant=Tenant,
)
Family(
    commands,
    service=lambda session: session.subscriptions,
    field="change",
    shown=lambda change: _scheduled_table([change]),
    listed=_scheduled_table,
    noun="scheduled change",
).lists(
    "scheduled",
    "ListScheduledChanges",
    "List scheduled changes of tiers, add-ons and states, the next one first.",
    tenant=Option(OfTenant),
)
