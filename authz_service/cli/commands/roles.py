"""`authz roles`: named sets of permissions, global or a tenant's own."""

from typing import Annotated

import typer
from rich.table import Table

from authz_service.cli.changing import (
    Clear,
    Description,
    Expected,
    Replacement,
    filled,
    moved_parts,
    whole,
)
from authz_service.cli.display import output as out
from authz_service.cli.display import tables
from authz_service.cli.options import Limit, Reason, RoleName, changes, reads
from authz_service.cli.paging import every, total
from authz_service.cli.session import Session
from authz_service.gen.authz.v1 import role_pb2 as pb

app = typer.Typer(help="Named sets of permissions, global or a tenant's own.")

Permissions = Annotated[
    list[str] | None,
    typer.Option("--permission", metavar="PERMISSION", help="One it holds. Repeat for more."),
]
Includes = Annotated[
    list[str] | None,
    typer.Option("--include", metavar="ROLE", help="A role it includes. Repeat for more."),
]
Admin = Annotated[
    bool | None, typer.Option("--admin/--no-admin", help="Whoever holds it runs the account.")
]


@reads(app, "list")
def list_roles(
    session: Session,
    *,
    tenant: Annotated[
        str, typer.Option("--tenant", metavar="TENANT", help="This tenant's own roles.")
    ] = "",
    permission: Annotated[
        str, typer.Option("--permission", metavar="PERMISSION", help="Only those that hold it.")
    ] = "",
    prefix: Annotated[
        str, typer.Option("--prefix", metavar="TEXT", help="Only those whose name begins so.")
    ] = "",
    limit: Limit = None,
) -> None:
    """List the global roles, or one tenant's own."""
    request = pb.ListRolesRequest(tenant=tenant, permission=permission, prefix=prefix)
    answer = every(session.roles.ListRoles, request, lambda page: page.roles, limit)
    rows = [
        (role.id, str(len(role.permissions)), out.listed(role.includes),
         "admin" if role.admin else "", role.description)
        for role in answer.roles
    ]  # fmt: skip
    session.show(
        answer,
        tables.table(("ROLE", "PERMISSIONS", "INCLUDES", "KIND", "DESCRIPTION"), rows),
        note=total(len(rows), "role", answer),
    )


@reads(app)
def get(session: Session, role: RoleName) -> None:
    """Show one role."""
    answer = session.roles.GetRole(pb.GetRoleRequest(id=role))
    session.show(answer, _facts(answer.role))


@changes(app)
def create(
    session: Session,
    role: RoleName,
    *,
    permission: Permissions = None,
    include: Includes = None,
    admin: Admin = None,
    description: Description = None,
    reason: Reason = "",
) -> None:
    """Make a role that does not exist yet."""
    wanted = whole(
        pb.Role(id=role), permissions=permission, includes=include, admin=admin,
        description=description,
    )  # fmt: skip
    answer = session.roles.CreateRole(pb.CreateRoleRequest(role=wanted, reason=reason))
    session.show(answer, _facts(answer.role))


@changes(app)
def put(
    session: Session,
    role: RoleName,
    *,
    permission: Permissions = None,
    include: Includes = None,
    admin: Admin = None,
    description: Description = None,
    expected_revision: Expected = 0,
    reason: Reason = "",
) -> None:
    """Make a role or replace it, whole: what is not named is gone."""
    wanted = whole(
        pb.Role(id=role), permissions=permission, includes=include, admin=admin,
        description=description,
    )  # fmt: skip
    request = pb.PutRoleRequest(role=wanted, expected_revision=expected_revision, reason=reason)
    answer = session.roles.PutRole(request)
    session.show(answer, _facts(answer.role))


@changes(app)
def update(
    session: Session,
    role: RoleName,
    *,
    permission: Permissions = None,
    add: Annotated[
        list[str] | None,
        typer.Option("--add", metavar="PERMISSION", help="One more it holds. Repeat for more."),
    ] = None,
    include: Includes = None,
    admin: Admin = None,
    description: Description = None,
    clear: Clear = None,
    expected_revision: Expected = 0,
    reason: Reason = "",
) -> None:
    """Change what is named of a role, and nothing else; a list that is named is replaced."""
    if add:
        if permission:
            raise typer.BadParameter("--permission names all that it holds, --add what comes to it")
        held = session.roles.GetRole(pb.GetRoleRequest(id=role)).role
        permission = sorted({*held.permissions, *add})
        expected_revision = expected_revision or held.revision
    wanted, mask = filled(
        pb.Role(id=role), clear, permissions=permission, includes=include, admin=admin,
        description=description,
    )  # fmt: skip
    answer = session.roles.UpdateRole(
        pb.UpdateRoleRequest(
            role=wanted, update_mask=mask, expected_revision=expected_revision, reason=reason
        )
    )
    session.show(answer, _facts(answer.role))


@changes(app)
def delete(
    session: Session,
    role: RoleName,
    *,
    replacement: Replacement = "",
    expected_revision: Expected = 0,
    reason: Reason = "",
) -> None:
    """End a role; with a replacement, whoever holds it holds that from then on."""
    answer = session.roles.DeleteRole(
        pb.DeleteRoleRequest(
            id=role, replacement=replacement, expected_revision=expected_revision, reason=reason
        )
    )
    session.show(answer, _facts(answer.role), *moved_parts(answer.moved))


def _facts(role: pb.Role) -> Table:
    return tables.facts(
        [
            ("role", role.id),
            ("description", role.description),
            ("admin", "yes: who holds it runs the account" if role.admin else ""),
            ("includes", out.listed(role.includes)),
            ("permissions", "\n".join(sorted(role.permissions))),
            ("last changed", f"revision {role.revision}"),
        ]
    )
