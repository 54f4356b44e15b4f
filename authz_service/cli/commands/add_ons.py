"""`authz add-ons`: what customers buy beside a tier."""

from typing import Annotated

import typer
from rich.table import Table

from authz_service.cli.changing import (
    Carries,
    Clear,
    Description,
    Expected,
    Replacement,
    Sets,
    features,
    filled,
    limits,
    moved_parts,
    whole,
)
from authz_service.cli.display import output as out
from authz_service.cli.display import tables
from authz_service.cli.display.entitlements import amount
from authz_service.cli.display.plans import AssignableRoles, Features, Limits, Permissions, carried
from authz_service.cli.options import Limit, Reason, changes, reads
from authz_service.cli.paging import every, total
from authz_service.cli.session import Session
from authz_service.gen.authz.v1 import add_on_pb2 as pb

app = typer.Typer(help="What customers buy beside a tier.")

AddOnName = Annotated[
    str, typer.Argument(metavar="ADD-ON", help="As authz add-ons list shows them.")
]


@reads(app, "list")
def list_add_ons(
    session: Session, *, permission: Carries = "", feature: Sets = "", limit: Limit = None
) -> None:
    """List add-ons."""
    request = pb.ListAddOnsRequest(permission=permission, feature=feature)
    answer = every(session.add_ons.ListAddOns, request, lambda p: p.add_ons, limit)
    rows = [
        (add_on.id, str(len(add_on.permissions)),
         out.listed(f"{limit.name} {amount(limit)}" for limit in add_on.limits), add_on.description)
        for add_on in answer.add_ons
    ]  # fmt: skip
    columns = ("ADD-ON", "PERMISSIONS", "LIMITS", "DESCRIPTION")
    session.show(answer, tables.table(columns, rows), note=total(len(rows), "add-on", answer))


@reads(app)
def get(session: Session, add_on: AddOnName) -> None:
    """Show one add-on."""
    answer = session.add_ons.GetAddOn(pb.GetAddOnRequest(id=add_on))
    session.show(answer, _facts(answer.add_on))


@changes(app)
def create(
    session: Session,
    add_on: AddOnName,
    *,
    permission: Permissions = None,
    feature: Features = None,
    limit: Limits = None,
    assignable_role: AssignableRoles = None,
    description: Description = None,
    reason: Reason = "",
) -> None:
    """Make an add-on that does not exist yet."""
    wanted = whole(
        pb.AddOn(id=add_on), permissions=permission, features=features(feature),
        limits=limits(limit), assignable_roles=assignable_role, description=description,
    )  # fmt: skip
    answer = session.add_ons.CreateAddOn(pb.CreateAddOnRequest(add_on=wanted, reason=reason))
    session.show(answer, _facts(answer.add_on))


@changes(app)
def put(
    session: Session,
    add_on: AddOnName,
    *,
    permission: Permissions = None,
    feature: Features = None,
    limit: Limits = None,
    assignable_role: AssignableRoles = None,
    description: Description = None,
    expected_revision: Expected = 0,
    reason: Reason = "",
) -> None:
    """Make an add-on or replace it, whole: what is not named is gone."""
    wanted = whole(
        pb.AddOn(id=add_on), permissions=permission, features=features(feature),
        limits=limits(limit), assignable_roles=assignable_role, description=description,
    )  # fmt: skip
    request = pb.PutAddOnRequest(add_on=wanted, expected_revision=expected_revision, reason=reason)
    answer = session.add_ons.PutAddOn(request)
    session.show(answer, _facts(answer.add_on))


@changes(app)
def update(
    session: Session,
    add_on: AddOnName,
    *,
    permission: Permissions = None,
    feature: Features = None,
    limit: Limits = None,
    assignable_role: AssignableRoles = None,
    description: Description = None,
    clear: Clear = None,
    expected_revision: Expected = 0,
    reason: Reason = "",
) -> None:
    """Change what is named of an add-on, and nothing else; a list that is named is replaced."""
    wanted, mask = filled(
        pb.AddOn(id=add_on), clear, permissions=permission, features=features(feature),
        limits=limits(limit), assignable_roles=assignable_role, description=description,
    )  # fmt: skip
    answer = session.add_ons.UpdateAddOn(
        pb.UpdateAddOnRequest(
            add_on=wanted, update_mask=mask, expected_revision=expected_revision, reason=reason
        )
    )
    session.show(answer, _facts(answer.add_on))


@changes(app)
def delete(
    session: Session,
    add_on: AddOnName,
    *,
    replacement: Replacement = "",
    expected_revision: Expected = 0,
    reason: Reason = "",
) -> None:
    """End an add-on; with a replacement, whoever holds it holds that from then on."""
    answer = session.add_ons.DeleteAddOn(
        pb.DeleteAddOnRequest(
            id=add_on, replacement=replacement, expected_revision=expected_revision, reason=reason
        )
    )
    session.show(answer, _facts(answer.add_on), *moved_parts(answer.moved))


def _facts(add_on: pb.AddOn) -> Table:
    return tables.facts(
        [
            ("add-on", add_on.id),
            ("description", add_on.description),
            *carried(add_on),
            ("last changed", f"revision {add_on.revision}"),
        ]
    )
