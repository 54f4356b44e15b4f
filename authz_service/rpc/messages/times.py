"""Instants and durations that came in, held to the range that protobuf gives them."""

from typing import Any, Final

from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp

from authz_service.errors import ErrorReason, InvalidArgument

_YEAR_1: Final = -62_135_596_800
_YEAR_9999: Final = 253_402_300_799
_LONGEST: Final = 315_576_000_000
_NANOS: Final = 999_999_999


def require_sound(message: Message, path: str = "") -> None:
    """Check every instant and duration in a message, however deep.

    Raises:
        InvalidArgument: INVALID_FIELD, at the first that is out of range, by its path.
    """
    for field, value in message.ListFields():
        if field.message_type is None:
            continue
        name = f"{path}.{field.name}" if path else field.name
        if isinstance(value, Message):
            _require_sound(value, name)
        elif not field.message_type.GetOptions().map_entry:
            for number, item in enumerate(value):
                _require_sound(item, f"{name}[{number}]")


def _require_sound(value: Any, path: str) -> None:
    match value:
        case Timestamp():
            sound = _YEAR_1 <= value.seconds <= _YEAR_9999 and 0 <= value.nanos <= _NANOS
            allowed = "years 1 to 9999, nanos 0 to 999,999,999"
        case Duration():
            alike = value.seconds * value.nanos >= 0
            sound = abs(value.seconds) <= _LONGEST and abs(value.nanos) <= _NANOS and alike
            allowed = "10,000 years, nanos of the same sign up to 999,999,999"
        case _:
            require_sound(value, path)
            return
    if not sound:
        raise InvalidArgument(
            ErrorReason.INVALID_FIELD,
            f"{path} has {value.seconds} seconds and {value.nanos} nanos; a "
            f"{type(value).__name__} goes over {allowed}",
            field=path,
        )
