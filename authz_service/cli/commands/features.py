"""`authz features`: what tiers and add-ons set, and what one customer alone has."""

from typing import Annotated, Final

import typer

from authz_service.cli.commands.exceptions import Approver, RequiredReason, create_exception
from authz_service.cli.display.plan_values import ranked_value
from authz_service.cli.family import option, required
from authz_service.cli.options import Tenant
from authz_service.cli.plan_items import Rank, add_commands, feature, items
from authz_service.cli.registration import changes
from authz_service.cli.session import Session
from authz_service.cli.time_options import From, Until
from authz_service.gen.authz.v1.exception_pb2 import TenantException
from authz_service.gen.authz.v1.feature_pb2 import PlanFeature

app = typer.Typer(help="Flags, numbers and texts that tiers, add-ons and exceptions set.")

Value = Annotated[
    str, typer.Argument(metavar="VALUE", help="on, off, a whole number, or a text such as email.")
]

FEATURES: Final = items(
    PlanFeature,
    "feature",
    lambda session: session.features,
    lambda item: ranked_value(item.feature),
)
add_commands(app, FEATURES, feature, required("value", Value), option("rank", Rank))


@changes(app, "set")
def set_feature(
    session: Session,
    tenant: Tenant,
    name: Annotated[str, typer.Argument(metavar="NAME", help="The feature's name.")],
    value: Value,
    *,
    reason: RequiredReason,
    approver: Approver,
    valid_from: From = None,
    valid_until: Until = None,
) -> None:
    """Set a feature for one account, whatever its plans set: an exception, revoked as all are."""
    exception = TenantException(
        tenant=tenant, feature=feature(name, value), reason=reason, approver=approver
    )
    create_exception(session, "FEATURE", exception, valid_from, valid_until)
