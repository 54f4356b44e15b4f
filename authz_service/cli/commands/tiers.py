"""`authz tiers`: what customers buy."""

from typing import Annotated, Final

import typer

from authz_service.cli import plans
from authz_service.cli.commands import tier_versions
from authz_service.cli.family import Option
from authz_service.cli.options import TierName
from authz_service.gen.authz.v1.tier_pb2 import Tier

app = typer.Typer(help="What customers buy.")

Extends = Annotated[
    str | None, typer.Option("--extends", metavar="TIER", help="The tier it builds on.")
]

TIERS: Final = plans.plans(
    Tier,
    "tier",
    lambda session: session.tiers,
    TierName,
    options={"extends": Option(Extends)},
    shown=("extends", "version"),
)
plans.add_commands(app, TIERS)
app.add_typer(tier_versions.commands)
