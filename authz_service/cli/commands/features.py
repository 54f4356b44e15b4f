"""`authz features`: flags and text values that tiers and add-ons set."""

from typing import Annotated, Final

import typer

from authz_service.cli.display.entitlements import feature_value
from authz_service.cli.family import required
from authz_service.cli.plan_items import add_commands, feature, items
from authz_service.gen.authz.v1.feature_pb2 import PlanFeature

app = typer.Typer(help="Flags and text values that tiers and add-ons set.")

Value = Annotated[
    str, typer.Argument(metavar="VALUE", help="true, false, or a text value such as email.")
]

FEATURES: Final = items(
    PlanFeature,
    "feature",
    lambda session: session.features,
    lambda item: feature_value(item.feature),
)
add_commands(app, FEATURES, feature, required("value", Value))
