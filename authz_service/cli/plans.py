"""`authz tiers` and `authz add-ons`: what both have in common."""

from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType
from typing import Annotated, Any, Final, TypeVar

import typer

from authz_service.cli.display import output as out
from authz_service.cli.display.plan_values import amount
from authz_service.cli.display.plans import carried
from authz_service.cli.family import Option, required
from authz_service.cli.options import Description
from authz_service.cli.plan_items import LIMIT_FORM, feature_of, limits_of
from authz_service.cli.resource import Resource
from authz_service.cli.session import Session
from authz_service.gen.authz.v1 import add_on_pb2, feature_pb2, tier_pb2

P = TypeVar("P", tier_pb2.Tier, add_on_pb2.AddOn)

Permissions = Annotated[
    list[str] | None,
    typer.Option("--permission", metavar="PERMISSION", help="One it adds. Repeat for more."),
]
Added = Annotated[
    list[str] | None,
    typer.Option("--add", metavar="PERMISSION", help="One more it adds. Repeat for more."),
]
Features = Annotated[
    list[str] | None,
    typer.Option(
        "--feature",
        metavar="NAME=VALUE[:RANK]",
        help="sso=on, retention-days=90, support=email:2. Repeat for more.",
    ),
]
Limits = Annotated[
    list[str] | None,
    typer.Option(
        "--limit", metavar=LIMIT_FORM,
        help="seats=25:seat, calls=unlimited:call:month:calendar. Repeat for more.",
    ),
]  # fmt: skip
AssignableRoles = Annotated[
    list[str] | None,
    typer.Option(
        "--assignable-role", metavar="ROLE", help="A role it lets tenants grant. Repeat for more."
    ),
]
Carrying = Annotated[
    str | None,
    typer.Option("--permission", metavar="PERMISSION", help="Only those that carry it."),
]
Setting = Annotated[
    str | None, typer.Option("--feature", metavar="NAME", help="Only those that set it.")
]


def _features(texts: Iterable[str]) -> list[feature_pb2.Feature]:
    return [feature_of(text) for text in texts]


OPTIONS: Final = {
    "permissions": Option(Permissions),
    "features": Option(Features, _features),
    "limits": Option(Limits, limits_of),
    "assignable_roles": Option(AssignableRoles),
    "description": Option(Description),
}


def plans(
    kind: type[P],
    noun: str,
    service: Callable[[Session], Any],
    argument: Any,
    options: Mapping[str, Option] = MappingProxyType({}),
    shown: Iterable[str] = (),
) -> Resource[P]:
    """Describe tiers or add-ons; `options` and `shown` are what the other does not have."""

    def facts(plan: P) -> list[tuple[str, str]]:
        return [
            (noun, plan.id),
            ("description", plan.description),
            *((name, str(getattr(plan, name))) for name in shown),
            *carried(plan),
            ("last changed", f"revision {plan.revision}"),
        ]

    columns: dict[str, Callable[[P], str]] = {
        noun.upper(): lambda plan: plan.id,
        **{name.upper(): _column(name) for name in options},
        "PERMISSIONS": lambda plan: str(len(plan.permissions)),
        "LIMITS": lambda plan: out.listed(f"{item.name} {amount(item)}" for item in plan.limits),
        "DESCRIPTION": lambda plan: plan.description,
    }
    return Resource(
        kind=kind,
        noun=noun,
        service=service,
        arguments=[required("id", argument)],
        columns=columns,
        facts=facts,
        options={**options, **OPTIONS},
        adding={"permissions": Added},
    )


def _column(name: str) -> Callable[[Any], str]:
    return lambda plan: str(getattr(plan, name))


def add_commands(app: typer.Typer, resource: Resource[P]) -> None:
    """Add the commands for tiers or add-ons."""
    one = f"{'an' if resource.noun[0] in 'aeiou' else 'a'} {resource.noun}"
    resource.list(app, f"List {resource.noun}s.", permission=Carrying, feature=Setting)
    resource.show(app, f"Show what {one} adds and sets itself.")
    resource.create(app, f"Create {one}.")
    resource.update(
        app, f"Change some fields of {one}, and nothing else; a list is replaced as a whole."
    )
    resource.delete(
        app, f"Delete {one}; tenants that have it get the replacement, if there is one."
    )
