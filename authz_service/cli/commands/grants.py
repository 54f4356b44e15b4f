"""`authz grant`, `authz revoke`, `authz grants`: who has which role, where and until when."""

from collections.abc import Iterable
from typing import Annotated

import typer
from google.protobuf.field_mask_pb2 import FieldMask
from rich.console import RenderableType

from authz_service.cli.display import output as out
from authz_service.cli.display import tables
from authz_service.cli.display.words import named_ends, timestamp, window, word
from authz_service.cli.files import bulk_files
from authz_service.cli.options import (
    CUSTOMERS,
    ExpectedRevision,
    HandOver,
    Limit,
    Reason,
    RoleName,
    Scope,
    Subject,
    Tenant,
)
from authz_service.cli.paging import every, total
from authz_service.cli.registration import changes, reads
from authz_service.cli.session import Session
from authz_service.cli.time_options import From, LiveAt, NoFrom, NoUntil, Until
from authz_service.domain.grant import GrantSource
from authz_service.gen.authz.v1 import role_grant_pb2 as pb

commands = typer.Typer()
app = typer.Typer(help="Role grants of a customer's account.")

GrantId = Annotated[str, typer.Argument(metavar="ID", help="As authz grants list shows it.")]
_WHAT = ("TENANT", "SUBJECT", "ROLE", "SCOPE")

Source = Annotated[
    GrantSource, typer.Option("--source", help="Who keeps the grant: each takes back its own.")
]


@changes(commands, panel=CUSTOMERS)
def grant(
    session: Session,
    tenant: Tenant,
    subject: Subject,
    role: RoleName,
    *,
    scope: Scope = "",
    valid_from: From = None,
    valid_until: Until = None,
    reason: Reason = "",
    source: Source = GrantSource.MANUAL,
) -> None:
    """Grant a role to a member, for a time or in a scope if wanted."""
    request = pb.RoleGrant(
        tenant=tenant,
        subject=subject,
        role=role,
        scope=scope,
        valid_from=timestamp(valid_from),
        valid_until=timestamp(valid_until),
        reason=reason,
        source=_source(source),
    )
    answer = session.role_grants.GrantRole(pb.GrantRoleRequest(role_grant=request))
    session.show(answer, _table([answer.role_grant]), note="granted")


@changes(commands, panel=CUSTOMERS)
def revoke(
    session: Session,
    tenant: Tenant,
    subject: Subject,
    role: RoleName,
    scope: Annotated[
        str,
        typer.Option("--scope", metavar="SCOPE", help="The grant's very scope; the whole tenant "
                     "if not given."),
    ] = "",
    source: Annotated[
        GrantSource | None, typer.Option("--source", help="Only grants that this source keeps.")
    ] = None,
    hand_over: HandOver = False,
    reason: Reason = "",
) -> None:  # fmt: skip
    """Revoke every grant that answers the description."""
    request = pb.RevokeRoleRequest(
        tenant=tenant,
        subject=subject,
        role=role,
        scope=scope,
        hand_over_invitations=hand_over,
        reason=reason,
    )
    if source:
        request.source = _source(source)
    answer = session.role_grants.RevokeRole(request)
    session.show(answer, _table(answer.role_grants), note="revoked")


@reads(app, "list")
def list_grants(
    session: Session,
    tenant: Tenant,
    subject: Annotated[
        str, typer.Option("--subject", metavar="SUBJECT", help="Only this subject's.")
    ] = "",
    role: Annotated[str, typer.Option("--role", metavar="ROLE", help="Only of this role.")] = "",
    scope: Annotated[
        str | None,
        typer.Option("--scope", metavar="SCOPE", help="Only on this very scope; '' for those on "
                     "the whole tenant."),
    ] = None,
    source: Annotated[
        GrantSource | None, typer.Option("--source", help="Only those that this source keeps.")
    ] = None,
    live_at: LiveAt = None,
    limit: Limit = None,
) -> None:  # fmt: skip
    """List an account's grants, those over or not yet begun among them."""
    request = pb.ListRoleGrantsRequest(
        tenant=tenant,
        subject=subject,
        role=role,
        scope=scope,
        live_time=timestamp(live_at),
    )
    if source:
        request.source = _source(source)
    answer = every(
        session.role_grants.ListRoleGrants, request, lambda page: page.role_grants, limit
    )
    grants = answer.role_grants
    session.show(answer, _table(grants), note=total(len(grants), "grant", answer))


@reads(app)
def show(session: Session, tenant: Tenant, grant_id: GrantId) -> None:
    """Show one grant."""
    request = pb.GetRoleGrantRequest(tenant=tenant, id=grant_id)
    answer = session.role_grants.GetRoleGrant(request)
    session.show(answer, _facts(answer.role_grant))


@changes(app)
def update(
    session: Session,
    tenant: Tenant,
    grant_id: GrantId,
    *,
    valid_from: From = None,
    valid_until: Until = None,
    no_from: NoFrom = False,
    no_until: NoUntil = False,
    grant_reason: Annotated[
        str | None, typer.Option("--grant-reason", metavar="TEXT", help="Why it was given.")
    ] = None,
    expected_revision: ExpectedRevision = 0,
    reason: Reason = "",
) -> None:
    """Change what is given: the window or the reason of a grant."""
    paths = named_ends(valid_from, valid_until, no_start=no_from, no_end=no_until)
    paths += ["reason"] if grant_reason is not None else []
    if not paths:
        raise typer.BadParameter("nothing to change; give --from, --until or --grant-reason")
    request = pb.RoleGrant(
        tenant=tenant,
        id=grant_id,
        valid_from=timestamp(valid_from),
        valid_until=timestamp(valid_until),
        reason=grant_reason or "",
    )
    answer = session.role_grants.UpdateRoleGrant(
        pb.UpdateRoleGrantRequest(
            role_grant=request,
            update_mask=FieldMask(paths=paths),
            expected_revision=expected_revision,
            reason=reason,
        )
    )
    session.show(answer, _facts(answer.role_grant))


@changes(app)
def delete(
    session: Session,
    tenant: Tenant,
    grant_id: GrantId,
    *,
    expected_revision: ExpectedRevision = 0,
    reason: Reason = "",
) -> None:
    """End one grant, by its id."""
    request = pb.DeleteRoleGrantRequest(
        tenant=tenant, id=grant_id, expected_revision=expected_revision, reason=reason
    )
    answer = session.role_grants.DeleteRoleGrant(request)
    session.show(answer, _table([answer.role_grant]), note="ended")


@changes(app, "bulk-grant")
def bulk_grant(session: Session, file: bulk_files.File, reason: Reason = "") -> None:
    """Grant all roles of a CSV file, up to 1,000 of any accounts, or none of them.

    Columns: tenant, subject, role and, where wanted, scope, valid_from, valid_until, source,
    reason. --reason is for those that give none.
    """
    grants = bulk_files.grants(file)
    request = pb.BatchGrantRolesRequest(role_grants=grants, reason=reason)
    answer = session.role_grants.BatchGrantRoles(request)
    rows = [
        (grant.tenant, grant.subject, grant.role, grant.scope,
         word(pb.GrantOutcome, result.outcome),
         result.role_grant_id)
        for grant, result in zip(grants, answer.results, strict=True)
    ]  # fmt: skip
    session.show(answer, tables.table((*_WHAT, "OUTCOME", "ID"), rows))


@changes(app, "bulk-revoke")
def bulk_revoke(session: Session, file: bulk_files.File, reason: Reason = "") -> None:
    """Revoke all roles of a CSV file, up to 1,000 of any accounts, or none of them.

    Columns: tenant, subject, role and, where wanted, scope, source.
    """
    revocations = bulk_files.revocations(file)
    request = pb.BatchRevokeRolesRequest(revocations=revocations, reason=reason)
    answer = session.role_grants.BatchRevokeRoles(request)
    rows = [
        (grant.tenant, grant.subject, grant.role, grant.scope,
         word(pb.RevokeOutcome, result.outcome),
         out.listed(result.role_grant_ids))
        for grant, result in zip(revocations, answer.results, strict=True)
    ]  # fmt: skip
    session.show(answer, tables.table((*_WHAT, "OUTCOME", "IDS"), rows))


def _table(grants: Iterable[pb.RoleGrant]) -> RenderableType:
    rows = [
        (grant.subject, grant.role, grant.scope, _in_force(grant),
         word(pb.GrantSource, grant.source),
         grant.reason, grant.id)
        for grant in grants
    ]  # fmt: skip
    return tables.table(("SUBJECT", "ROLE", "SCOPE", "IN FORCE", "SOURCE", "REASON", "ID"), rows)


def _facts(grant: pb.RoleGrant) -> RenderableType:
    return tables.facts(
        [
            ("grant", grant.id),
            ("tenant", grant.tenant),
            ("subject", grant.subject),
            ("role", grant.role),
            ("scope", grant.scope),
            ("in force", _in_force(grant)),
            ("source", word(pb.GrantSource, grant.source)),
            ("reason", grant.reason),
            ("revision", str(grant.revision)),
        ]
    )


def _in_force(grant: pb.RoleGrant) -> str:
    """Say when a grant is in force, or why it is not although its window may be open."""
    if not grant.held_back:
        return window(grant)
    return f"held back, {word(pb.HoldReason, grant.held_back).replace('_', ' ')}"


def _source(source: GrantSource) -> pb.GrantSource.ValueType:
    return pb.GrantSource.Value(f"GRANT_SOURCE_{source.name}")
