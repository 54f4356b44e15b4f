"""What the commands for tiers and add-ons share."""

from typing import Annotated

import typer

from authz_service.cli.display import output as out
from authz_service.cli.display.entitlements import feature_value, limit_value
from authz_service.gen.authz.v1 import add_on_pb2, tier_pb2

PlanName = Annotated[
    str, typer.Argument(metavar="PLAN", help="tier/professional, addon/extra-seats.")
]
Permissions = Annotated[
    list[str] | None,
    typer.Option("--permission", metavar="PERMISSION", help="One it adds. Repeat for more."),
]
Features = Annotated[
    list[str] | None,
    typer.Option(
        "--feature", metavar="NAME=VALUE", help="sso=true, support=email. Repeat for more."
    ),
]
Limits = Annotated[
    list[str] | None,
    typer.Option(
        "--limit", metavar="NAME=VALUE:UNIT",
        help="seats=25:seat, projects=unlimited:project. Repeat for more.",
    ),
]  # fmt: skip
AssignableRoles = Annotated[
    list[str] | None,
    typer.Option(
        "--assignable-role", metavar="ROLE", help="A role it lets grant. Repeat for more."
    ),
]


def carried(plan: tier_pb2.Tier | add_on_pb2.AddOn) -> list[tuple[str, str]]:
    """Write what a plan carries."""
    return [
        ("features", "\n".join(f"{f.name}: {feature_value(f)}" for f in plan.features)),
        ("limits", "\n".join(f"{limit.name}: {limit_value(limit)}" for limit in plan.limits)),
        ("assignable roles", out.listed(sorted(plan.assignable_roles))),
        ("permissions", "\n".join(sorted(plan.permissions))),
    ]
