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

SuspendedFreeSeats = Annotated[
    bool | None,
    typer.Option(
        "--suspended-free-seats/--suspended-take-seats",
        help="Whether suspended members take no seat; they do unless told otherwise.",
    ),
]

TIERS: Final = plans.plans(
    Tier,
    "tier",
    lambda session: session.tiers,
    TierName,
    options={"extends": Option(Extends), "suspended_free_seats": Option(SuspendedFreeSeats)},
    shown=("extends", "version", "suspended_free_seats"),
)
plans.add_commands(app, TIERS)
app.add_typer(tier_versions.commands)
