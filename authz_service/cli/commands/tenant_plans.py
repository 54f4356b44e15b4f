"""`authz tenants add-ons` and `authz tenants limits`: what an account bought beside its tier."""

from dataclasses import replace
from typing import Annotated, Final

import typer

from authz_service.cli.display.tenant_table import tenant_facts
from authz_service.cli.display.words import timestamp
from authz_service.cli.family import Family, Option
from authz_service.cli.options import Tenant
from authz_service.cli.plan_items import LIMIT_FORM, limits_of
from authz_service.cli.time_options import From, ScheduledAt, Until

add_ons = typer.Typer(help="Add-ons that an account holds beside its tier.")
limits = typer.Typer(help="Limits of an account's own: what its contract bought.")

AddOn = Annotated[str, typer.Argument(metavar="ADD-ON", help="The add-on: audit.")]

OwnLimits = Annotated[
    list[str] | None,
    typer.Argument(metavar=LIMIT_FORM, help="seats=40:seat, calls=unlimited:call."),
]
Removed = Annotated[
    list[str] | None,
    typer.Option("--remove", metavar="NAME", help="Leave it to the plans. Repeat for more."),
]


_SUBSCRIPTIONS: Final = Family(
    add_ons, service=lambda session: session.subscriptions, field="tenant", shown=tenant_facts
)
_SUBSCRIPTIONS.changes(
    "add",
    "AddAddOn",
    "Give an account an add-on, at once or within a window.",
    tenant=Tenant,
    add_on=AddOn,
    valid_from=Option(From, timestamp),
    valid_until=Option(Until, timestamp),
)
_SUBSCRIPTIONS.changes(
    "remove",
    "RemoveAddOn",
    "Take an add-on away, at once or at an instant.",
    tenant=Tenant,
    add_on=AddOn,
    end_time=Option(ScheduledAt, timestamp),
)
replace(_SUBSCRIPTIONS, app=limits).changes(
    "set",
    "SetLimits",
    "Set limits of an account's own, each in place of what its plans give.",
    tenant=Tenant,
    limits=Option(OwnLimits, limits_of),
    removed=Option(Removed),
)
