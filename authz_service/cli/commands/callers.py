"""What the commands about keys and about identities share."""

from collections.abc import Collection
from datetime import datetime
from typing import Annotated, Final

import typer
from google.protobuf.field_mask_pb2 import FieldMask

from authz_service.cli import completion

ROLES: Final = typer.Option(
    "--role",
    metavar="ROLE",
    help="authz.checker, .operator, .product, .provisioner, .auditor or your own. Repeat for more.",
    autocompletion=completion.roles,
)
TENANTS: Final = typer.Option(
    "--tenant",
    metavar="TENANT",
    help="For this tenant only. Repeat for more.",
    autocompletion=completion.tenants,
)
Name = Annotated[str | None, typer.Option("--name", metavar="TEXT", help="For people.")]
AllTenants = Annotated[bool, typer.Option("--all-tenants", help="For all tenants from now on.")]
Forever = Annotated[bool, typer.Option("--forever", help="Let it not end by itself.")]


def changed(
    name: str | None,
    roles: Collection[str] | None,
    tenants: Collection[str] | None,
    until: datetime | None,
    *,
    all_tenants: bool,
    forever: bool,
) -> FieldMask:
    """Name the fields that an update is given.

    Raises:
        typer.BadParameter: none is, or two contradict each other.
    """
    if (tenants and all_tenants) or (until and forever):
        raise typer.BadParameter("--tenant and --all-tenants, --until and --forever: one of each")
    present = {
        "display_name": name is not None,
        "roles": bool(roles),
        "tenants": bool(tenants) or all_tenants,
        "expire_time": bool(until) or forever,
    }
    if not any(present.values()):
        raise typer.BadParameter("nothing to change; give --name, --role, --tenant or --until")
    return FieldMask(paths=[path for path, is_present in present.items() if is_present])
