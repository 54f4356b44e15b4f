"""`authz permissions`: the catalogue of what can be granted and sold."""

from typing import Annotated

import typer

from authz_service.cli.changing import (
    Clear,
    Description,
    Expected,
    Replacement,
    filled,
    moved_parts,
    whole,
)
from authz_service.cli.display import tables
from authz_service.cli.options import Limit, PermissionName, Reason, changes, reads
from authz_service.cli.paging import every, total
from authz_service.cli.session import Session
from authz_service.gen.authz.v1 import permission_pb2 as pb

app = typer.Typer(help="The catalogue of permissions: all that can be asked.")

Internal = Annotated[
    bool | None, typer.Option("--internal/--no-internal", help="Needs a role but no entitlement.")
]
Deprecated = Annotated[
    bool | None,
    typer.Option("--deprecated/--no-deprecated", help="Not to be taken up any more."),
]
ReplacedBy = Annotated[
    str | None,
    typer.Option("--replaced-by", metavar="PERMISSION", help="To be used in its stead."),
]


@reads(app, "list")
def list_permissions(
    session: Session,
    *,
    resource_type: Annotated[
        str, typer.Option("--resource-type", metavar="TYPE", help="Only these: invoices.")
    ] = "",
    internal: Internal = None,
    deprecated: Deprecated = None,
    limit: Limit = None,
) -> None:
    """List the catalogue."""
    request = pb.ListCatalogueRequest(
        resource_type=resource_type, internal=internal, deprecated=deprecated
    )
    answer = every(session.permissions.ListCatalogue, request, lambda page: page.permissions, limit)
    rows = [
        (
            permission.id,
            "internal" if permission.internal else "",
            _fate(permission),
            permission.description,
        )
        for permission in answer.permissions
    ]
    session.show(
        answer,
        tables.table(("PERMISSION", "KIND", "DEPRECATED", "DESCRIPTION"), rows),
        note=total(len(rows), "permission", answer),
    )


@reads(app)
def get(session: Session, permission: PermissionName) -> None:
    """Show one permission."""
    answer = session.permissions.GetPermission(pb.GetPermissionRequest(id=permission))
    session.show(answer, tables.facts(_pairs(answer.permission)))


@changes(app)
def create(
    session: Session,
    permission: PermissionName,
    *,
    internal: Internal = None,
    description: Description = None,
    reason: Reason = "",
) -> None:
    """Declare a permission that is not declared yet."""
    wanted = whole(pb.Permission(id=permission), internal=internal, description=description)
    request = pb.CreatePermissionRequest(permission=wanted, reason=reason)
    answer = session.permissions.CreatePermission(request)
    session.show(answer, tables.facts(_pairs(answer.permission)))


@changes(app)
def put(
    session: Session,
    permission: PermissionName,
    *,
    internal: Internal = None,
    deprecated: Deprecated = None,
    replaced_by: ReplacedBy = None,
    description: Description = None,
    expected_revision: Expected = 0,
    reason: Reason = "",
) -> None:
    """Declare a permission, or replace its declaration, whole: what is not named is gone."""
    wanted = whole(
        pb.Permission(id=permission), internal=internal, deprecated=deprecated,
        replaced_by=replaced_by, description=description,
    )  # fmt: skip
    request = pb.PutPermissionRequest(
        permission=wanted, expected_revision=expected_revision, reason=reason
    )
    answer = session.permissions.PutPermission(request)
    session.show(answer, tables.facts(_pairs(answer.permission)))


@changes(app)
def update(
    session: Session,
    permission: PermissionName,
    *,
    internal: Internal = None,
    deprecated: Deprecated = None,
    replaced_by: ReplacedBy = None,
    description: Description = None,
    clear: Clear = None,
    expected_revision: Expected = 0,
    reason: Reason = "",
) -> None:
    """Change what is named of a permission, and nothing else."""
    wanted, mask = filled(
        pb.Permission(id=permission), clear, internal=internal, deprecated=deprecated,
        replaced_by=replaced_by, description=description,
    )  # fmt: skip
    answer = session.permissions.UpdatePermission(
        pb.UpdatePermissionRequest(
            permission=wanted,
            update_mask=mask,
            expected_revision=expected_revision,
            reason=reason,
        )
    )
    session.show(answer, tables.facts(_pairs(answer.permission)))


@changes(app)
def delete(
    session: Session,
    permission: PermissionName,
    *,
    replacement: Replacement = "",
    expected_revision: Expected = 0,
    reason: Reason = "",
) -> None:
    """Take a permission out of the catalogue: it is denied to everyone from then on."""
    answer = session.permissions.DeletePermission(
        pb.DeletePermissionRequest(
            id=permission,
            replacement=replacement,
            expected_revision=expected_revision,
            reason=reason,
        )
    )
    session.show(answer, tables.facts(_pairs(answer.permission)), *moved_parts(answer.moved))


def _fate(permission: pb.Permission) -> str:
    if not permission.deprecated:
        return ""
    return f"use {permission.replaced_by}" if permission.replaced_by else "yes"


def _pairs(permission: pb.Permission) -> list[tuple[str, str]]:
    return [
        ("permission", permission.id),
        ("internal", "yes: no tier sells it" if permission.internal else "no"),
        ("deprecated", _fate(permission)),
        ("description", permission.description),
        ("last changed", f"revision {permission.revision}"),
    ]
