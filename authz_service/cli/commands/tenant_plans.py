"""`authz tenants add-ons` and `authz tenants limits`: what an account bought beside its tier."""

import re
from typing import Annotated, Final

import typer

from authz_service.cli.display.tenant_table import tenant_facts
from authz_service.cli.display.words import timestamp
from authz_service.cli.options import Reason, Tenant
from authz_service.cli.registration import changes
from authz_service.cli.session import Session
from authz_service.cli.time_options import From, ScheduledAt, Until
from authz_service.gen.authz.v1 import limit_pb2
from authz_service.gen.authz.v1 import subscription_pb2 as pb

add_ons = typer.Typer(help="Add-ons that an account holds beside its tier.")
limits = typer.Typer(help="Limits of an account's own: what its contract bought.")

LIMIT_FORM: Final = "NAME=VALUE:UNIT"
_LIMIT: Final = re.compile(r"([^=:]+)=(unlimited|\d{1,19}):([^=:]+)", re.ASCII)

AddOn = Annotated[str, typer.Argument(metavar="ADD-ON", help="The add-on: audit.")]


def own_limit(text: str) -> limit_pb2.Limit:
    """Read `seats=40:seat` or `calls=unlimited:call`."""
    match = _LIMIT.fullmatch(text)
    if match is None:
        raise typer.BadParameter(f"{text!r} is no limit; write {LIMIT_FORM}: seats=40:seat")
    name, value, unit = match.groups()
    if value == "unlimited":
        return limit_pb2.Limit(name=name, unlimited=True, unit=unit)
    if int(value) >= 2**63:
        raise typer.BadParameter(f"{value} is more than a limit can be; say unlimited")
    return limit_pb2.Limit(name=name, value=int(value), unit=unit)


@changes(add_ons)
def add(
    session: Session,
    tenant: Tenant,
    add_on: AddOn,
    start: From = None,
    until: Until = None,
    reason: Reason = "",
) -> None:
    """Give an account an add-on, at once or within a window."""
    request = pb.AddAddOnRequest(
        tenant=tenant,
        add_on=add_on,
        valid_from=timestamp(start),
        valid_until=timestamp(until),
        reason=reason,
    )
    answer = session.subscriptions.AddAddOn(request)
    session.show(answer, tenant_facts(answer.tenant))


@changes(add_ons)
def remove(
    session: Session, tenant: Tenant, add_on: AddOn, at: ScheduledAt = None, reason: Reason = ""
) -> None:
    """Take an add-on away, at once or at an instant."""
    request = pb.RemoveAddOnRequest(
        tenant=tenant, add_on=add_on, end_time=timestamp(at), reason=reason
    )
    answer = session.subscriptions.RemoveAddOn(request)
    session.show(answer, tenant_facts(answer.tenant))


@changes(limits, "set")
def set_limits(
    session: Session,
    tenant: Tenant,
    limit: Annotated[
        list[str] | None,
        typer.Argument(metavar=LIMIT_FORM, help="seats=40:seat, calls=unlimited:call."),
    ] = None,
    remove: Annotated[
        list[str] | None,
        typer.Option("--remove", metavar="NAME", help="Leave it to the plans. Repeat for more."),
    ] = None,
    reason: Reason = "",
) -> None:
    """Set limits of an account's own, each in the place of what its plans come to."""
    request = pb.SetLimitsRequest(
        tenant=tenant,
        limits=[own_limit(item) for item in limit or ()],
        removed=remove or (),
        reason=reason,
    )
    answer = session.subscriptions.SetLimits(request)
    session.show(answer, tenant_facts(answer.tenant))
