"""`authz roles`: named sets of permissions, global or a tenant's own."""

from typing import Annotated

import typer
from rich.table import Table

from authz_service.cli import output as out
from authz_service.cli.options import Limit, Reason, RoleName, changes, reads
from authz_service.cli.paging import every, total
from authz_service.cli.session import Session
from authz_service.gen.authz.v1 import policy_pb2 as pb

app = typer.Typer(help="Named sets of permissions, global or a tenant's own.")


@reads(app, "list")
def list_roles(
    session: Session,
    *,
    tenant: Annotated[
        str, typer.Option("--tenant", metavar="TENANT", help="This tenant's own roles.")
    ] = "",
    limit: Limit = None,
) -> None:
    """List the global roles, or one tenant's own."""
    request = pb.ListRolesRequest(tenant=tenant)
    answer = every(session.policy.ListRoles, request, lambda page: page.roles, limit)
    rows = [
        (each.id, str(len(each.permissions)), out.listed(each.includes), each.description)
        for each in answer.roles
    ]
    session.show(
        answer,
        out.table(("ROLE", "PERMISSIONS", "INCLUDES", "DESCRIPTION"), rows),
        note=total(len(rows), "role", answer),
    )


@reads(app)
def get(session: Session, role: RoleName) -> None:
    """Show one role."""
    answer = session.policy.GetRole(pb.GetRoleRequest(id=role))
    session.show(answer, _facts(answer.role))


@changes(app)
def put(
    session: Session,
    role: RoleName,
    *,
    permission: Annotated[
        list[str] | None,
        typer.Option("--permission", metavar="PERMISSION", help="One it holds. Repeat for more."),
    ] = None,
    include: Annotated[
        list[str] | None,
        typer.Option("--include", metavar="ROLE", help="A role it includes. Repeat for more."),
    ] = None,
    description: Annotated[
        str, typer.Option("--description", metavar="TEXT", help="For people.")
    ] = "",
    reason: Reason = "",
) -> None:
    """Make a role or replace it, whole: what is not named is gone."""
    wanted = pb.Role(
        id=role, permissions=permission or (), includes=include or (), description=description
    )
    answer = session.policy.PutRole(pb.PutRoleRequest(role=wanted, reason=reason))
    session.show(answer, _facts(answer.role))


def _facts(role: pb.Role) -> Table:
    return out.facts(
        [
            ("role", role.id),
            ("description", role.description),
            ("includes", out.listed(role.includes)),
            ("permissions", "\n".join(sorted(role.permissions))),
        ]
    )
