"""`authz permissions`: the catalogue of what can be granted and sold."""

from typing import Annotated, Final

import typer

from authz_service.cli.family import Option, required
from authz_service.cli.options import Description, PermissionName, Reserved
from authz_service.cli.resource import Resource
from authz_service.gen.authz.v1 import permission_pb2 as pb

app = typer.Typer(help="The permission catalogue: everything that can be checked.")

Internal = Annotated[
    bool | None, typer.Option("--internal/--no-internal", help="Needs a role but no entitlement.")
]
Deprecated = Annotated[
    bool | None,
    typer.Option("--deprecated/--no-deprecated", help="No role or plan can newly take it."),
]
ReplacedBy = Annotated[
    str | None,
    typer.Option("--replaced-by", metavar="PERMISSION", help="The permission to use instead."),
]
ResourceType = Annotated[
    str | None,
    typer.Option("--resource-type", metavar="TYPE", help="Only those of this type: invoices."),
]


def _deprecation(permission: pb.Permission) -> str:
    if not permission.deprecated:
        return ""
    return f"use {permission.replaced_by}" if permission.replaced_by else "yes"


def _facts(permission: pb.Permission) -> list[tuple[str, str]]:
    return [
        ("permission", permission.id),
        ("internal", "yes: no tier sells it" if permission.internal else "no"),
        ("deprecated", _deprecation(permission)),
        ("description", permission.description),
        ("last changed", f"revision {permission.revision}"),
    ]


PERMISSIONS: Final = Resource(
    kind=pb.Permission,
    noun="permission",
    service=lambda session: session.permissions,
    arguments=[required("id", PermissionName)],
    columns={
        "PERMISSION": lambda permission: permission.id,
        "KIND": lambda permission: "internal" if permission.internal else "",
        "DEPRECATED": _deprecation,
        "DESCRIPTION": lambda permission: permission.description,
    },
    facts=_facts,
    options={
        "internal": Option(Internal),
        "deprecated": Option(Deprecated),
        "replaced_by": Option(ReplacedBy),
        "description": Option(Description),
    },
)
PERMISSIONS.list(
    app,
    "List the permission catalogue.",
    resource_type=ResourceType,
    internal=Internal,
    deprecated=Deprecated,
    include_reserved=Reserved,
)
PERMISSIONS.show(app, "Show one permission.")
PERMISSIONS.create(app, "Declare a permission.")
PERMISSIONS.update(app, "Change some fields of a permission, and nothing else.")
PERMISSIONS.delete(app, "Remove a permission from the catalogue; it is then denied to everyone.")
