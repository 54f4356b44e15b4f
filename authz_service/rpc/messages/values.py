"""Messages to values and back. Both directions side by side, no decisions inside."""

from collections.abc import Iterator, Mapping
from dataclasses import fields
from typing import Any, Final, TypeVar, cast

from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp

from authz_service.domain.decision import CLASSES, DecisionReason
from authz_service.domain.window import BEGINNING, FOREVER, Instant, Window
from authz_service.errors import ErrorReason, InvalidArgument
from authz_service.gen.authz.v1 import authorization_pb2
from authz_service.usecases.kernel.paging import PageRequest
from authz_service.usecases.kernel.point_in_time import Moment

E = TypeVar("E")


REASONS: Final = {
    reason: cast("authorization_pb2.DecisionReason.ValueType", reason.value)
    for reason in DecisionReason
}
CLASS_OF: Final = {
    reason: cast("authorization_pb2.ReasonClass.ValueType", CLASSES[reason].value)
    for reason in DecisionReason
}


def word(words: Mapping[E, int], number: int, unset: E | None, field: str) -> E:
    """Read an enum; `unset` stands for 0.

    Raises:
        InvalidArgument: INVALID_FIELD for 0 without a default, or a number we do not know.
    """
    for word, existing in words.items():
        if existing == number:
            return word
    if number == 0 and unset is not None:
        return unset
    raise InvalidArgument(
        ErrorReason.INVALID_FIELD, f"{field} must be one of its named values", field=field
    )


def instant(message: Timestamp) -> Instant:
    """Read an instant, cut to the microsecond; `rpc/times.py` has held it to its range."""
    return message.seconds * 1_000_000 + message.nanos // 1000


def timestamp(at: Instant) -> Timestamp:
    seconds, micros = divmod(at, 1_000_000)
    return Timestamp(seconds=seconds, nanos=micros * 1000)


def duration(message: Duration) -> int:
    """Read a duration in microseconds, cut like an instant."""
    return message.seconds * 1_000_000 + message.nanos // 1000


def shared_texts(message: Message, kind: type) -> dict[str, Any]:
    """Read the texts of a message that are fields of a dataclass under the same names."""
    return {name: getattr(message, name) for name in _shared(message, kind)}


def set_shared_texts(message: Message, value: Any) -> None:
    """Write the texts that a message has under the names of a dataclass's fields."""
    for name in _shared(message, type(value)):
        setattr(message, name, getattr(value, name))


def _shared(message: Message, kind: type) -> Iterator[str]:
    names = {field.name for field in fields(kind)}
    for field in message.DESCRIPTOR.fields:
        if field.type == field.TYPE_STRING and field.name in names:
            yield field.name


def window(message: Any) -> Window:
    """Read `valid_from` and `valid_until`; unset is open."""
    return Window(
        instant(message.valid_from) if message.HasField("valid_from") else BEGINNING,
        instant(message.valid_until) if message.HasField("valid_until") else FOREVER,
    )


def window_fields(value: Window) -> dict[str, Timestamp]:
    fields = {}
    if value.valid_from != BEGINNING:
        fields["valid_from"] = timestamp(value.valid_from)
    if value.valid_until != FOREVER:
        fields["valid_until"] = timestamp(value.valid_until)
    return fields


def page(request: Any) -> PageRequest:
    return PageRequest(request.page_size, request.page_token)


def moment(request: Any) -> Moment:
    """Read `at_time` and `as_known_at`; unset is now, and the newest."""
    at = instant(request.at_time) if request.HasField("at_time") else None
    return Moment(at, request.as_known_at)


def moment_known(request: Any) -> Moment:
    """Read a moment whose revision may be named by an instant, `as_known_at_time`."""
    match, name = moment(request), request.HasField("as_known_at_time")
    known_time = instant(request.as_known_at_time) if name else None
    return Moment(match.at, match.as_known_at, known_time)
