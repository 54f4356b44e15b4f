"""What the commands about keys and about identities share."""

from collections.abc import Mapping
from typing import Annotated, Any, Final

import typer
from google.protobuf.field_mask_pb2 import FieldMask

from authz_service.cli import completion, registration
from authz_service.cli.family import Family, command, option, required
from authz_service.cli.options import ExpectedRevision, Reason
from authz_service.cli.session import Session
from authz_service.cli.time_options import Until

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
Forever = Annotated[bool, typer.Option("--forever", help="Remove its end.")]


def update_command(family: Family, kind: type[Any], rpc: str, caller: Any) -> None:
    """Add the command that changes what is given of a key or an identity."""

    def run(session: Session, all_tenants: bool, forever: bool, caller: str, **values: Any) -> None:
        common = {name: values.pop(name) for name in ("expected_revision", "reason")}
        fields = {name: value for name, value in values.items() if value}
        mask = _changed(values, all_tenants=all_tenants, forever=forever)
        changed = kind(id=caller, **fields)
        family.run(session, rpc, update_mask=mask, **{family.field: changed}, **common)

    doc = "Change what is given, such as --role: it then holds these roles and no others."
    registration.changes(family.app, "update")(
        command(
            run,
            doc,
            required("caller", caller),
            option("display_name", Name),
            option("roles", Annotated[list[str] | None, ROLES]),
            option("tenants", Annotated[list[str] | None, TENANTS]),
            option("all_tenants", AllTenants, default=False),
            option("expire_time", Until),
            option("forever", Forever, default=False),
            option("expected_revision", ExpectedRevision, 0),
            option("reason", Reason, ""),
        )
    )


def _changed(values: Mapping[str, Any], *, all_tenants: bool, forever: bool) -> FieldMask:
    """Name the fields that an update is given.

    Raises:
        typer.BadParameter: none is, or two contradict each other.
    """
    if (values["tenants"] and all_tenants) or (values["expire_time"] and forever):
        raise typer.BadParameter("--tenant and --all-tenants, --until and --forever: one of each")
    present = {
        "display_name": values["display_name"] is not None,
        "roles": bool(values["roles"]),
        "tenants": bool(values["tenants"]) or all_tenants,
        "expire_time": bool(values["expire_time"]) or forever,
    }
    if not any(present.values()):
        raise typer.BadParameter("nothing to change; give --name, --role, --tenant or --until")
    return FieldMask(paths=[path for path, is_present in present.items() if is_present])
