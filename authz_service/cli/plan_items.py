"""`authz features` and `authz limits`: what a tier or add-on sets, one at a time."""

import re
from collections.abc import Callable, Iterable
from enum import StrEnum
from inspect import Parameter
from typing import Annotated, Any, Final, TypeVar

import typer
from google.protobuf.field_mask_pb2 import FieldMask
from google.protobuf.message import Message

from authz_service.cli import completion
from authz_service.cli.family import command, option, required
from authz_service.cli.options import ExpectedRevision, Reason
from authz_service.cli.registration import changes
from authz_service.cli.resource import AllowMissing, Resource
from authz_service.cli.session import Session
from authz_service.domain.catalog import MAX_NUMBER
from authz_service.gen.authz.v1 import feature_pb2, limit_pb2

LIMIT_FORM: Final = "NAME=VALUE:UNIT[:PERIOD:RESET]"
_FLAGS: Final = {"on": True, "true": True, "off": False, "false": False}


class PeriodWord(StrEnum):
    MINUTE = "minute"
    HOUR = "hour"
    DAY = "day"
    WEEK = "week"
    MONTH = "month"
    YEAR = "year"


class ResetWord(StrEnum):
    CALENDAR = "calendar"
    BILLING = "billing"
    ROLLING = "rolling"


_LIMIT: Final = re.compile(
    r"([^=:]+)=(unlimited|\d{1,19}):([^=:]+)"
    rf"(?::({'|'.join(PeriodWord)}):({'|'.join(ResetWord)}))?",
    re.ASCII,
)

I = TypeVar("I", feature_pb2.PlanFeature, limit_pb2.PlanLimit)  # noqa: E741 - an item

OfTier = Annotated[
    str | None,
    typer.Option("--tier", metavar="TIER", help="Of this tier.", autocompletion=completion.tiers),
]
OfAddOn = Annotated[str | None, typer.Option("--add-on", metavar="ADD-ON", help="Of this add-on.")]
Name = Annotated[
    str | None, typer.Option("--name", metavar="NAME", help="Only those of this name.")
]


Rank = Annotated[
    int | None,
    typer.Option("--rank", metavar="N", help="Of a text: where several are set, the highest wins."),
]
PeriodOption = Annotated[
    PeriodWord | None, typer.Option("--period", help="The time in which usage counts.")
]
ResetOption = Annotated[ResetWord | None, typer.Option("--reset", help="When it counts anew.")]


def feature(name: str, value: str, rank: int | None = None) -> feature_pb2.Feature:
    """Make a flag of `on` and `off` (or true, false), a number of digits, a text of all else."""
    if value in _FLAGS:
        return feature_pb2.Feature(name=name, enabled=_FLAGS[value], rank=rank or 0)
    if value.isascii() and value.isdecimal():
        return feature_pb2.Feature(name=name, number=_number(value), rank=rank or 0)
    return feature_pb2.Feature(name=name, text=value, rank=rank or 0)


def limit(
    name: str,
    value: str,
    unit: str | None,
    period: PeriodWord | None = None,
    reset: ResetWord | None = None,
) -> limit_pb2.Limit:
    """Make a limit of a number, or of the word `unlimited`."""
    message = limit_pb2.Limit(name=name, unit=unit or "")
    if value == "unlimited":
        message.unlimited = True
    elif value.isascii() and value.isdecimal():
        message.value = _number(value)
    else:
        raise typer.BadParameter(f"{value!r} is neither a whole number nor the word unlimited")
    if period:
        message.period = limit_pb2.LimitPeriod.Value(f"LIMIT_PERIOD_{period.name}")
    if reset:
        message.reset = limit_pb2.LimitReset.Value(f"LIMIT_RESET_{reset.name}")
    return message


def limit_of(text: str) -> limit_pb2.Limit:
    """Read `seats=25:seat`, `projects=unlimited:project`, `calls=1000:call:month:calendar`."""
    match = _LIMIT.fullmatch(text)
    if match is None:
        raise typer.BadParameter(
            f"{text!r} is no limit; write {LIMIT_FORM}: seats=40:seat, calls=9:call:month:calendar"
            "; VALUE is a whole number or unlimited"
        )
    name, value, unit, period, reset = match.groups()
    counting = (PeriodWord(period), ResetWord(reset)) if period else (None, None)
    return limit(name, value, unit, *counting)


def limits_of(texts: Iterable[str]) -> list[limit_pb2.Limit]:
    """Read limits, each as `limit_of` does."""
    return [limit_of(text) for text in texts]


def feature_of(text: str) -> feature_pb2.Feature:
    """Read `sso=on`, `retention-days=90`, `support=email`, or `support=email:2` with a rank."""
    name, equals, value = text.partition("=")
    if not equals:
        raise typer.BadParameter(f"{text!r} is not NAME=VALUE, as in sso=on or support=email:2")
    words, colon, rank = value.rpartition(":")
    if colon and rank.isascii() and rank.isdecimal():
        return feature(name, words, int(rank))
    return feature(name, value)


def _number(digits: str) -> int:
    number = int(digits)
    if number > MAX_NUMBER:
        raise typer.BadParameter(f"{digits} is more than {MAX_NUMBER}, the most that can be set")
    return number


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
