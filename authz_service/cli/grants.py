"""`authz grant`, `authz revoke`, `authz grants list`: who has which role, where and until when."""

from collections.abc import Iterable
from typing import Annotated

import typer
from rich.table import Table

from authz_service.cli import output as out
from authz_service.cli.options import (
    CUSTOMERS,
    From,
    Limit,
    Reason,
    RoleName,
    Scope,
    Subject,
    Tenant,
    Until,
    changes,
    reads,
)
from authz_service.cli.paging import every, total
from authz_service.cli.session import Session
from authz_service.cli.words import timestamp, window, word
from authz_service.domain.grant import GrantSource
from authz_service.gen.authz.v1 import policy_pb2 as pb

commands = typer.Typer()
app = typer.Typer(help="Role grants of a customer's account.")

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
    wanted = pb.RoleGrant(
        tenant=tenant,
        subject=subject,
        role=role,
        scope=scope,
        valid_from=timestamp(valid_from),
        valid_until=timestamp(valid_until),
        reason=reason,
        source=_source(source),
    )
    answer = session.policy.GrantRole(pb.GrantRoleRequest(role_grant=wanted))
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
    reason: Reason = "",
) -> None:  # fmt: skip
    """Revoke every grant that answers the description."""
    request = pb.RevokeRoleRequest(
        tenant=tenant, subject=subject, role=role, scope=scope, reason=reason
    )
    if source:
        request.source = _source(source)
    answer = session.policy.RevokeRole(request)
    session.show(answer, _table(answer.role_grants), note="revoked")


@reads(app, "list")
def list_grants(
    session: Session,
    tenant: Tenant,
    subject: Annotated[
        str, typer.Option("--subject", metavar="SUBJECT", help="Only this subject's.")
    ] = "",
    role: Annotated[str, typer.Option("--role", metavar="ROLE", help="Only of this role.")] = "",
    limit: Limit = None,
) -> None:
    """List an account's grants, those over or not yet begun among them."""
    request = pb.ListRoleGrantsRequest(tenant=tenant, subject=subject, role=role)
    answer = every(session.policy.ListRoleGrants, request, lambda page: page.role_grants, limit)
    found = answer.role_grants
    session.show(answer, _table(found), note=total(len(found), "grant", answer))


def _table(grants: Iterable[pb.RoleGrant]) -> Table:
    rows = [
        (each.subject, each.role, each.scope, window(each), word(pb.GrantSource, each.source),
         each.reason)
        for each in grants
    ]  # fmt: skip
    return out.table(("SUBJECT", "ROLE", "SCOPE", "IN FORCE", "SOURCE", "REASON"), rows)


def _source(source: GrantSource) -> pb.GrantSource.ValueType:
    return pb.GrantSource.Value(f"GRANT_SOURCE_{source.name}")
