"""What commands share that create, update and delete parts of the policy."""

from collections.abc import Iterable, Iterator
from typing import Annotated, Any, TypeVar

import typer
from google.protobuf.field_mask_pb2 import FieldMask
from google.protobuf.message import Message
from rich.table import Table
from rich.text import Text

from authz_service.cli.display import output as out
from authz_service.cli.display import tables
from authz_service.gen.authz.v1 import feature_pb2, limit_pb2, moved_pb2

M = TypeVar("M", bound=Message)

Expected = Annotated[
    int,
    typer.Option(
        "--expected-revision", metavar="N", min=0,
        help="Only if the object is at this revision, as get shows it.",
    ),
]  # fmt: skip
Replacement = Annotated[
    str,
    typer.Option(
        "--replacement", metavar="NAME", help="Takes its place wherever it is used."
    ),
]  # fmt: skip
Clear = Annotated[
    list[str] | None,
    typer.Option("--clear", metavar="FIELD", help="Empty this field. Repeat for more."),
]
Description = Annotated[
    str | None, typer.Option("--description", metavar="TEXT", help="For people.")
]
Carries = Annotated[
    str, typer.Option("--permission", metavar="PERMISSION", help="Only those that carry it.")
]
Sets = Annotated[str, typer.Option("--feature", metavar="NAME", help="Only those that set it.")]


def filled(message: M, clear: Iterable[str] | None, **given: Any) -> tuple[M, FieldMask]:
    """Put what was given into a message, and name it; what is cleared is named alone."""
    mask = FieldMask(paths=list(clear or ()))
    for name, value in given.items():
        if value is not None:
            mask.paths.append(name)
            _set(message, name, value)
    return message, mask


def whole(message: M, **given: Any) -> M:
    """Put what was given into a message."""
    return filled(message, (), **given)[0]


def _set(message: Message, name: str, value: Any) -> None:
    if isinstance(value, list):
        getattr(message, name).extend(value)
    else:
        setattr(message, name, value)


def moved_parts(moved: Iterable[moved_pb2.Moved]) -> Iterator[Table | Text]:
    """Lay out what a deletion moved to the replacement; nothing if there was nothing."""
    rows = [(each.kind, f"{each.count:,}", out.listed(each.names)) for each in moved]
    if rows:
        yield Text("moved to the replacement", "bold")
        yield tables.table(("KIND", "COUNT", "NAMES"), rows)


def features(given: Iterable[str] | None) -> list[feature_pb2.Feature] | None:
    """Read `sso=true`, `support=email`."""
    return None if given is None else [_feature(each) for each in given]


def _feature(text: str) -> feature_pb2.Feature:
    name, equals, value = text.partition("=")
    if not equals:
        raise typer.BadParameter(f"{text!r} is not NAME=VALUE, as in sso=true or support=email")
    return feature(name, value)


def feature(name: str, value: str) -> feature_pb2.Feature:
    """Make a flag of `true` and `false`, a word of anything else."""
    if value in ("true", "false"):
        return feature_pb2.Feature(name=name, enabled=value == "true")
    return feature_pb2.Feature(name=name, text=value)


def limits(given: Iterable[str] | None) -> list[limit_pb2.Limit] | None:
    """Read `seats=25:seat`, `projects=unlimited:project`."""
    return None if given is None else [_limit(each) for each in given]


def _limit(text: str) -> limit_pb2.Limit:
    name, equals, rest = text.partition("=")
    value, colon, unit = rest.partition(":")
    if not (equals and colon):
        raise typer.BadParameter(f"{text!r} is not NAME=VALUE:UNIT, as in seats=25:seat")
    return limit(name, value, unit)


def limit(name: str, value: str, unit: str) -> limit_pb2.Limit:
    """Make a limit of a number, or of the word `unlimited`."""
    if value == "unlimited":
        return limit_pb2.Limit(name=name, unlimited=True, unit=unit)
    if not value.isdecimal() or int(value) >= 2**63:
        raise typer.BadParameter(f"{value!r} is neither a whole number nor the word unlimited")
    return limit_pb2.Limit(name=name, value=int(value), unit=unit)
