"""`authz roles`: named sets of permissions, global or a tenant's own."""

from typing import Annotated, Final

import typer

from authz_service.cli.display import output as out
from authz_service.cli.family import Option, required
from authz_service.cli.options import Description, Reserved, RoleName
from authz_service.cli.resource import Resource
from authz_service.gen.authz.v1 import role_pb2 as pb

app = typer.Typer(help="Named sets of permissions, global or a tenant's own.")

Permissions = Annotated[
    list[str] | None,
    typer.Option("--permission", metavar="PERMISSION", help="One it holds. Repeat for more."),
]
Added = Annotated[
    list[str] | None,
    typer.Option("--add", metavar="PERMISSION", help="One more it holds. Repeat for more."),
]
Includes = Annotated[
    list[str] | None,
    typer.Option("--include", metavar="ROLE", help="A role it includes. Repeat for more."),
]
Admin = Annotated[
    bool | None, typer.Option("--admin/--no-admin", help="Members who hold it run the account.")
]
OfTenant = Annotated[
    str | None, typer.Option("--tenant", metavar="TENANT", help="This tenant's own roles.")
]
Holding = Annotated[
    str | None,
    typer.Option("--permission", metavar="PERMISSION", help="Only those that hold it."),
]
Prefix = Annotated[
    str | None, typer.Option("--prefix", metavar="TEXT", help="Only those that start with this.")
]


def _facts(role: pb.Role) -> list[tuple[str, str]]:
    return [
        ("role", role.id),
        ("description", role.description),
        ("admin", "yes: members who hold it run the account" if role.admin else ""),
        ("includes", out.listed(role.includes)),
        ("permissions", "\n".join(sorted(role.permissions))),
        ("last changed", f"revision {role.revision}"),
    ]


ROLES: Final = Resource(
    kind=pb.Role,
    noun="role",
    service=lambda session: session.roles,
    arguments=[required("id", RoleName)],
    columns={
        "ROLE": lambda role: role.id,
        "PERMISSIONS": lambda role: str(len(role.permissions)),
        "INCLUDES": lambda role: out.listed(role.includes),
        "KIND": lambda role: "admin" if role.admin else "",
        "DESCRIPTION": lambda role: role.description,
    },
    facts=_facts,
    options={
        "permissions": Option(Permissions),
        "includes": Option(Includes),
        "admin": Option(Admin),
        "description": Option(Description),
    },
    adding={"permissions": Added},
)
ROLES.list(
    app,
    "List the global roles, or one tenant's own.",
    tenant=OfTenant,
    permission=Holding,
    prefix=Prefix,
    include_reserved=Reserved,
)
ROLES.show(app, "Show one role.")
ROLES.create(app, "Create a role.")
ROLES.update(app, "Change some fields of a role, and nothing else; a list is replaced as a whole.")
ROLES.delete(app, "Delete a role; members who hold it get the replacement, if there is one.")
