"""`authz tenants`: customers' accounts, from onboarding to the end."""

from typing import Annotated

import typer
from google.protobuf.field_mask_pb2 import FieldMask

from authz_service.cli import completion
from authz_service.cli.commands import tenant_plans, tenant_states, tier_change
from authz_service.cli.commands.members import new_member
from authz_service.cli.commands.tenant_states import Then, state_number
from authz_service.cli.display import output as out
from authz_service.cli.display import tables
from authz_service.cli.display.entitlements import entitlement_parts
from authz_service.cli.display.plan_values import amount
from authz_service.cli.display.tenant_table import tenant_facts
from authz_service.cli.display.words import demand, moment, timestamp, word
from authz_service.cli.options import Latest, Limit, MinRevision, Reason, Tenant
from authz_service.cli.paging import every, total
from authz_service.cli.plan_items import LIMIT_FORM, limit_of
from authz_service.cli.registration import changes, reads
from authz_service.cli.session import Session
from authz_service.cli.time_options import At, KnownAt, MaxStaleness, TrialUntil
from authz_service.domain.tenant import TenantState
from authz_service.gen.authz.v1 import authorization_pb2
from authz_service.gen.authz.v1 import tenant_pb2 as pb

app = typer.Typer(help="Customers' accounts: onboard, change tier, suspend, offboard.")
app.add_typer(tenant_states.commands)
app.add_typer(tier_change.commands)
app.add_typer(tenant_plans.add_ons, name="add-ons")
app.add_typer(tenant_plans.limits, name="limits")

AddOnName = Annotated[
    str, typer.Option("--add-on", metavar="ADD-ON", help="Only those that hold it.")
]


@changes(app)
def onboard(
    session: Session,
    tenant: Tenant,
    *,
    tier: Annotated[
        str,
        typer.Option(
            "--tier",
            metavar="TIER",
            help="The tier it starts on.",
            autocompletion=completion.tiers,
        ),
    ],
    name: Annotated[str, typer.Option("--name", metavar="TEXT", help="For people.")] = "",
    member: Annotated[
        list[str] | None,
        typer.Option(
            "--member",
            metavar="SUBJECT[=ROLE,...]",
            help="A member and its roles: user:alice=admin. Repeat for more.",
        ),
    ] = None,
    add_on: Annotated[
        list[str] | None,
        typer.Option("--add-on", metavar="ADD-ON", help="An add-on too. Repeat for more."),
    ] = None,
    limit: Annotated[
        list[str] | None,
        typer.Option("--limit", metavar=LIMIT_FORM, help="A limit of its own: seats=40:seat."),
    ] = None,
    trial: Annotated[bool, typer.Option("--trial", help="Start on trial.")] = False,
    trial_until: TrialUntil = None,
    then: Then = None,
    reason: Reason = "",
) -> None:
    """Open an account with its tier, its first admin and roles, in one step."""
    answer = session.tenants.OnboardTenant(
        pb.OnboardTenantRequest(
            tenant=tenant,
            display_name=name,
            tier=tier,
            trial=trial,
            trial_end_time=timestamp(trial_until),
            after_trial=state_number(then),
            add_ons=add_on or (),
            limits=[limit_of(item) for item in limit or ()],
            members=[new_member(item) for item in member or ()],
            reason=reason,
        )
    )
    members = [(item.subject, out.listed(item.roles)) for item in answer.members]
    joined = tables.table(("MEMBER", "ROLES"), members)
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
    add_on: AddOnName = "",
    prefix: Annotated[
        str, typer.Option("--prefix", metavar="ID", help="Only those whose id begins so.")
    ] = "",
    text: Annotated[
        str, typer.Option("--text", metavar="TEXT", help="Only those with it in their name.")
    ] = "",
    limit: Limit = None,
) -> None:
    """List accounts."""
    request = pb.ListTenantsRequest(
        state=state_number(state), tier=tier, add_on=add_on, id_prefix=prefix, text=text
    )
    answer = every(session.tenants.ListTenants, request, lambda page: page.tenants, limit)
    rows = [
        (
            tenant.id,
            word(pb.TenantState, tenant.state),
            tenant.tier,
            out.listed(tenant.add_ons),
            tenant.display_name,
        )
        for tenant in answer.tenants
    ]
    session.show(
        answer,
        tables.table(("TENANT", "STATE", "TIER", "ADD-ONS", "NAME"), rows),
        note=total(len(rows), "tenant", answer),
    )


@reads(app)
def show(session: Session, tenant: Tenant) -> None:
    """Show one account."""
    answer = session.tenants.GetTenant(pb.GetTenantRequest(tenant=tenant))
    bought = f" of {amount(answer.seats)}" if answer.HasField("seats") else ""
    members = ("members", f"{answer.members:,}")
    seats = ("seats", f"{answer.seats_taken:,}{bought} taken")
    session.show(answer, tenant_facts(answer.tenant, members, seats))


@changes(app)
def update(
    session: Session,
    tenant: Tenant,
    name: Annotated[str, typer.Option("--name", metavar="TEXT", help="Its new name.")],
    expected: Annotated[
        int,
        typer.Option(
            "--expected-revision", metavar="N", min=0, help="Refuse if it was changed since."
        ),
    ] = 0,
    reason: Reason = "",
) -> None:
    """Change what an account is called."""
    request = pb.UpdateTenantRequest(
        tenant=pb.Tenant(id=tenant, display_name=name),
        update_mask=FieldMask(paths=["display_name"]),
        expected_revision=expected,
        reason=reason,
    )
    answer = session.tenants.UpdateTenant(request)
    session.show(answer, tenant_facts(answer.tenant))


@reads(app)
def entitlements(
    session: Session,
    tenant: Tenant,
    min_revision: MinRevision = 0,
    max_staleness: MaxStaleness = None,
    latest: Latest = False,
    at: At = None,
    as_known_at: KnownAt = None,
) -> None:
    """Show what an account bought: features, limits, permissions, exceptions."""
    answer = session.authorization.GetEntitlements(
        authorization_pb2.GetEntitlementsRequest(
            tenant=tenant,
            **demand(min_revision, max_staleness, latest),
            **moment(at, as_known_at),
        )
    )
    session.show(answer, *entitlement_parts(tenant, answer))
