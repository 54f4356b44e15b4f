"""`authz tenants`: customers' accounts, from onboarding to the end."""

from typing import Annotated

import typer
from rich.table import Table

from authz_service.cli import output as out
from authz_service.cli.entitlements import entitlement_parts
from authz_service.cli.members import new_member
from authz_service.cli.options import (
    Limit,
    MinRevision,
    Reason,
    Tenant,
    changes,
    reads,
)
from authz_service.cli.paging import every, total
from authz_service.cli.session import Session
from authz_service.cli.words import word
from authz_service.domain.tenant import SuspensionReason, TenantState
from authz_service.gen.authz.v1 import authorization_pb2
from authz_service.gen.authz.v1 import provisioning_pb2 as pb

app = typer.Typer(help="Customers' accounts: onboard, change tier, suspend, offboard.")

TierName = Annotated[str, typer.Argument(metavar="TIER", help="As authz tiers list shows them.")]
Why = Annotated[
    SuspensionReason,
    typer.Option("--for", help="What suspends the account; each reason is lifted alone."),
]


@changes(app)
def onboard(
    session: Session,
    tenant: Tenant,
    *,
    tier: Annotated[str, typer.Option("--tier", metavar="TIER", help="The tier it starts on.")],
    name: Annotated[str, typer.Option("--name", metavar="TEXT", help="For people.")] = "",
    member: Annotated[
        list[str] | None,
        typer.Option(
            "--member",
            metavar="SUBJECT[=ROLE,...]",
            help="A member and its roles: user:alice=admin. Repeat for more.",
        ),
    ] = None,
    trial: Annotated[bool, typer.Option("--trial", help="Start on trial.")] = False,
    reason: Reason = "",
) -> None:
    """Open an account with its tier, its first admin and roles, in one step."""
    answer = session.provisioning.OnboardTenant(
        pb.OnboardTenantRequest(
            tenant=tenant,
            display_name=name,
            tier=tier,
            trial=trial,
            members=[new_member(each) for each in member or ()],
            reason=reason,
        )
    )
    members = [(each.subject, out.listed(each.roles)) for each in answer.members]
    joined = out.table(("MEMBER", "ROLES"), members)
    session.show(answer, tenant_facts(answer.tenant), *([joined] if members else []))


@reads(app, "list")
def list_tenants(
    session: Session,
    *,
    state: Annotated[
        TenantState | None, typer.Option("--state", help="Only those in this state.")
    ] = None,
    tier: Annotated[
        str, typer.Option("--tier", metavar="TIER", help="Only those on this tier.")
    ] = "",
    limit: Limit = None,
) -> None:
    """List accounts."""
    request = pb.ListTenantsRequest(tier=tier)
    if state:
        request.state = pb.TenantState.Value(f"TENANT_STATE_{state.name}")
    answer = every(session.provisioning.ListTenants, request, lambda page: page.tenants, limit)
    rows = [
        (each.id, word(pb.TenantState, each.state), each.tier, each.display_name)
        for each in answer.tenants
    ]
    session.show(
        answer,
        out.table(("TENANT", "STATE", "TIER", "NAME"), rows),
        note=total(len(rows), "tenant", answer),
    )


@reads(app)
def get(session: Session, tenant: Tenant) -> None:
    """Show one account."""
    answer = session.provisioning.GetTenant(pb.GetTenantRequest(tenant=tenant))
    session.show(answer, tenant_facts(answer.tenant))


@changes(app, "set-tier")
def set_tier(session: Session, tenant: Tenant, tier: TierName, reason: Reason = "") -> None:
    """Move an account to a tier; the next check sees it."""
    request = pb.SetTierRequest(tenant=tenant, tier=tier, reason=reason)
    answer = session.provisioning.SetTier(request)
    session.show(answer, tenant_facts(answer.tenant))


@changes(app)
def suspend(
    session: Session, tenant: Tenant, why: Why = SuspensionReason.ADMIN, reason: Reason = ""
) -> None:
    """Close an account for now: everything in it is denied until each reason is lifted."""
    answer = session.provisioning.SuspendTenant(
        pb.SuspendTenantRequest(tenant=tenant, suspension_reason=_suspension(why), reason=reason)
    )
    session.show(answer, tenant_facts(answer.tenant))


@changes(app)
def resume(
    session: Session, tenant: Tenant, why: Why = SuspensionReason.ADMIN, reason: Reason = ""
) -> None:
    """Lift one reason; the account opens when no other is left."""
    answer = session.provisioning.ResumeTenant(
        pb.ResumeTenantRequest(tenant=tenant, suspension_reason=_suspension(why), reason=reason)
    )
    session.show(answer, tenant_facts(answer.tenant))


@changes(app)
def offboard(session: Session, tenant: Tenant, reason: Reason = "") -> None:
    """End an account for good; its id is not given again. A terminal is asked first."""
    session.confirm(f"End {tenant} for good?")
    request = pb.OffboardTenantRequest(tenant=tenant, reason=reason)
    answer = session.provisioning.OffboardTenant(request)
    session.show(answer, tenant_facts(answer.tenant))


@reads(app)
def entitlements(session: Session, tenant: Tenant, min_revision: MinRevision = 0) -> None:
    """Show what an account bought: features, limits, permissions, exceptions."""
    answer = session.authorization.GetEntitlements(
        authorization_pb2.GetEntitlementsRequest(tenant=tenant, min_revision=min_revision)
    )
    session.show(answer, *entitlement_parts(tenant, answer))


def tenant_facts(tenant: pb.Tenant) -> Table:
    """Lay out an account."""
    suspensions = [word(pb.SuspensionReason, each) for each in tenant.suspensions]
    return out.facts(
        [
            ("tenant", tenant.id),
            ("name", tenant.display_name),
            ("state", word(pb.TenantState, tenant.state)),
            ("suspended for", out.listed(suspensions)),
            ("tier", tenant.tier),
            ("add-ons", out.listed(tenant.add_ons)),
        ]
    )


def _suspension(why: SuspensionReason) -> pb.SuspensionReason.ValueType:
    return pb.SuspensionReason.Value(f"SUSPENSION_REASON_{why.name}")
