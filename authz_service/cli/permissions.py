"""`authz permissions`: the catalogue of what can be granted and sold."""

from typing import Annotated

import typer

from authz_service.cli import output as out
from authz_service.cli.options import Limit, PermissionName, Reason, changes, reads
from authz_service.cli.paging import every, total
from authz_service.cli.session import Session
from authz_service.gen.authz.v1 import policy_pb2 as pb

app = typer.Typer(help="The catalogue of permissions: all that can be asked.")


@reads(app, "list")
def list_permissions(session: Session, limit: Limit = None) -> None:
    """List the catalogue."""
    request = pb.ListCatalogueRequest()
    answer = every(session.policy.ListCatalogue, request, lambda page: page.permissions, limit)
    rows = [
        (each.id, "internal" if each.internal else "", each.description)
        for each in answer.permissions
    ]
    session.show(
        answer,
        out.table(("PERMISSION", "KIND", "DESCRIPTION"), rows),
        note=total(len(rows), "permission", answer),
    )


@reads(app)
def get(session: Session, permission: PermissionName) -> None:
    """Show one permission."""
    answer = session.policy.GetPermission(pb.GetPermissionRequest(id=permission))
    session.show(answer, out.facts(_pairs(answer.permission)))


@changes(app)
def put(
    session: Session,
    permission: PermissionName,
    *,
    internal: Annotated[
        bool, typer.Option("--internal", help="Needs a role but no entitlement.")
    ] = False,
    description: Annotated[
        str, typer.Option("--description", metavar="TEXT", help="For people.")
    ] = "",
    reason: Reason = "",
) -> None:
    """Declare a permission, or replace its declaration."""
    wanted = pb.Permission(id=permission, internal=internal, description=description)
    answer = session.policy.PutPermission(pb.PutPermissionRequest(permission=wanted, reason=reason))
    session.show(answer, out.facts(_pairs(answer.permission)))


def _pairs(permission: pb.Permission) -> list[tuple[str, str]]:
    return [
        ("permission", permission.id),
        ("internal", "yes: no tier sells it" if permission.internal else "no"),
        ("description", permission.description),
    ]
