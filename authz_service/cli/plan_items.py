"""`authz features` and `authz limits`: what a tier or add-on sets, one at a time."""

from collections.abc import Callable
from inspect import Parameter
from typing import Annotated, Any, TypeVar

import typer
from google.protobuf.field_mask_pb2 import FieldMask
from google.protobuf.message import Message

from authz_service.cli import completion
from authz_service.cli.family import command, option, required
from authz_service.cli.options import ExpectedRevision, Reason
from authz_service.cli.registration import changes
from authz_service.cli.resource import AllowMissing, Resource
from authz_service.cli.session import Session
from authz_service.gen.authz.v1 import feature_pb2, limit_pb2

I = TypeVar("I", feature_pb2.PlanFeature, limit_pb2.PlanLimit)  # noqa: E741 - an item

OfTier = Annotated[
    str | None,
    typer.Option("--tier", metavar="TIER", help="Of this tier.", autocompletion=completion.tiers),
]
OfAddOn = Annotated[str | None, typer.Option("--add-on", metavar="ADD-ON", help="Of this add-on.")]
Name = Annotated[
    str | None, typer.Option("--name", metavar="NAME", help="Only those of this name.")
]


def feature(name: str, value: str) -> feature_pb2.Feature:
    """Make a flag of `true` and `false`, a text value of anything else."""
    if value in ("true", "false"):
        return feature_pb2.Feature(name=name, enabled=value == "true")
    return feature_pb2.Feature(name=name, text=value)


def limit(name: str, value: str, unit: str | None) -> limit_pb2.Limit:
    """Make a limit of a number, or of the word `unlimited`."""
    if value == "unlimited":
        return limit_pb2.Limit(name=name, unlimited=True, unit=unit or "")
    if not value.isdecimal() or int(value) >= 2**63:
        raise typer.BadParameter(f"{value!r} is neither a whole number nor the word unlimited")
    return limit_pb2.Limit(name=name, value=int(value), unit=unit or "")


def plan_name(item: Any) -> str:
    """Name the plan that sets an item: `tier professional`, `add-on audit`."""
    return f"tier {item.tier}" if item.WhichOneof("plan") == "tier" else f"add-on {item.add_on}"


def items(
    kind: type[I], noun: str, service: Callable[[Session], Any], value: Callable[[I], str]
) -> Resource[I]:
    """Describe features or limits."""

    def name(item: I) -> str:
        return str(getattr(item, noun).name)

    return Resource(
        kind=kind,
        rpc=noun.capitalize(),
        noun=noun,
        service=service,
        arguments=[
            required(
                "name",
                Annotated[str, typer.Argument(metavar="NAME", help=f"The {noun}'s name.")],
            ),
            option("tier", OfTier),
            option("add_on", OfAddOn),
        ],
        columns={"PLAN": plan_name, noun.upper(): name, "VALUE": value},
        facts=lambda item: [
            ("plan", plan_name(item)),
            (noun, name(item)),
            ("value", value(item)),
            ("last changed", f"revision {item.revision}"),
        ],
    )


def add_commands(
    app: typer.Typer, resource: Resource[I], read: Callable[..., Message], *parts: Parameter
) -> None:
    """Add the commands; `read` makes a feature or limit of its name and the `parts`."""
    noun, rpc = resource.noun, f"a {resource.noun} of a tier or add-on"
    name, *plan = resource.arguments
    read_from = ("name", *(part.name for part in parts))
    reason = option("reason", Reason, "")

    def create(session: Session, **fields: Any) -> None:
        message = read(*map(fields.pop, read_from))
        session.show(*resource.call(session, "Create", **{noun: message}, **fields))

    def update(session: Session, **options: Any) -> None:
        message = read(*map(options.pop, read_from))
        paths = [field.name for field, _ in message.ListFields() if field.name != "name"]
        mask = FieldMask(paths=paths)
        fields = {noun: message, "update_mask": mask, **options}
        session.show(*resource.call(session, "Update", **fields))

    resource.list(
        app, f"List the {noun}s that tiers and add-ons set.", tier=OfTier, add_on=OfAddOn, name=Name
    )
    resource.show(app, f"Show {rpc}.")
    changes(app, "create")(
        command(create, f"Set {rpc} that sets none of that name yet.", name, *parts, *plan, reason)
    )
    changes(app, "update")(
        command(
            update,
            f"Change {rpc}.",
            name,
            *parts,
            *plan,
            option("allow_missing", AllowMissing, default=False),
            option("expected_revision", ExpectedRevision, 0),
            reason,
        )
    )
    resource.delete(
        app, f"Delete {rpc}; a tier that it extends may still set it.", replacement=False
    )
