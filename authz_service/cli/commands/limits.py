"""`authz limits`: numbers with a unit that tiers and add-ons set."""

from typing import Annotated, Final

import typer

from authz_service.cli.display.plan_values import limit_value
from authz_service.cli.family import option, required
from authz_service.cli.plan_items import PeriodOption, ResetOption, add_commands, items, limit
from authz_service.gen.authz.v1.limit_pb2 import PlanLimit

app = typer.Typer(help="Numbers with a unit that tiers and add-ons set.")

Value = Annotated[
    str, typer.Argument(metavar="VALUE", help="A whole number, or the word unlimited.")
]
Unit = Annotated[
    str | None,
    typer.Option("--unit", metavar="UNIT", help="What is counted: seat, call."),
]

LIMITS: Final = items(
    PlanLimit,
    "limit",
    lambda session: session.limits,
    lambda item: limit_value(item.limit),
)
add_commands(
    app,
    LIMITS,
    limit,
    required("value", Value),
    option("unit", Unit),
    option("period", PeriodOption),
    option("reset", ResetOption),
)
