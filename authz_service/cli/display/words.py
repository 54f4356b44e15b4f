"""Values of the API as people write and read them."""

import re
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol

import typer
from google.protobuf.descriptor import EnumDescriptor
from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp


class Enum(Protocol):
    """An enum of the API."""

    DESCRIPTOR: EnumDescriptor

    def Name(self, number: Any, /) -> str: ...  # noqa: N802 - protobuf's name


class Windowed(Protocol):
    """A message with a window."""

    @property
    def valid_from(self) -> Timestamp: ...
    @property
    def valid_until(self) -> Timestamp: ...


def word(enum: Enum, value: int) -> str:
    """Write an enum's value: `GRANT_SOURCE_SCIM` is `scim`."""
    kind = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", enum.DESCRIPTOR.name)
    try:
        return enum.Name(value).removeprefix(f"{kind.upper()}_").lower()
    except ValueError:  # a newer server
        return str(value)


def code(enum: Enum, value: int) -> str:
    """Write an enum's value as the docs do: `DECISION_REASON_ROLE_MISSING` is `ROLE_MISSING`."""
    return word(enum, value).upper()


def duration(length: timedelta | None) -> Duration | None:
    """Make the message of a length of time; None leaves it to the server."""
    if length is None:
        return None
    message = Duration()
    message.FromTimedelta(length)
    return message


def timestamp(at: datetime | None) -> Timestamp | None:
    """Make the message of an instant."""
    if at is None:
        return None
    message = Timestamp()
    message.FromDatetime(at)
    return message


def demand(
    min_revision: int,
    max_staleness: timedelta | None,
    latest: bool,
) -> dict[str, Any]:
    """Give the fields that say how new an answer has to be."""
    fields: dict[str, Any] = {"min_revision": min_revision, "latest": latest}
    if max_staleness is not None:
        fields["max_staleness"] = Duration()
        fields["max_staleness"].FromTimedelta(max_staleness)
    return fields


def moment(at: datetime | None, existing: str | None) -> dict[str, Any]:
    """Give the fields of a question about another moment; none of them if it is about now.

    `known` is a revision, an instant, or None for the newest.
    """
    fields: dict[str, Any] = {"at_time": timestamp(at)}
    if existing and existing.isdecimal():
        fields["as_known_at"] = int(existing)
    elif existing:
        fields["as_known_at_time"] = timestamp(datetime.fromisoformat(existing))
    return fields


def instant(at: Timestamp) -> str:
    """Write an instant in the reader's time zone, to the minute; "" if it is unset."""
    return f"{at.ToDatetime(UTC).astimezone():%Y-%m-%d %H:%M}" if at.ByteSize() else ""


def window(of: Windowed) -> str:
    """Write a window."""
    match instant(of.valid_from), instant(of.valid_until):
        case "", "":
            return "always"
        case "", until:
            return f"until {until}"
        case start, "":
            return f"from {start}"
        case start, until:
            return f"{start} to {until}"


def named_ends(
    start: datetime | None, end: datetime | None, *, no_start: bool, no_end: bool
) -> list[str]:
    """Name the ends of a window that were given anew, as an update mask does.

    Raises:
        typer.BadParameter: an end is both given and taken away.
    """
    if (start and no_start) or (end and no_end):
        raise typer.BadParameter("--from and --no-from, --until and --no-until: one of each")
    changes = {"valid_from": start or no_start, "valid_until": end or no_end}
    return [name for name, is_named in changes.items() if is_named]
