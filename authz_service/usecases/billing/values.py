"""Values in what senders send: text made sound, instants in the unit that a source declares."""

from collections.abc import Mapping
from datetime import UTC, date, datetime, time, timedelta
from typing import Any, Final
from zoneinfo import ZoneInfo

from jmespath.exceptions import JMESPathError

from authz_service.domain.billing_event import EventReason
from authz_service.domain.billing_policy import Expression, Times, TimeUnit
from authz_service.domain.window import Instant, from_datetime

EARLIEST: Final = from_datetime(datetime(2000, 1, 1, tzinfo=UTC))
LATEST: Final = from_datetime(datetime(2100, 1, 1, tzinfo=UTC))
"""Times outside of these are no sender's: a number in another unit, or a slip."""

_UNFIT: Final = (TypeError, ValueError, RecursionError, AttributeError, ArithmeticError)
"""What jmespath lets through of values that a function cannot take."""

_PER_UNIT: Final = {TimeUnit.SECONDS: 1_000_000, TimeUnit.MILLISECONDS: 1_000}
_MOST_TEXT: Final = 200
_MOST_MESSAGE: Final = 500
_MOST_DIGITS: Final = 18
_DAY_LENGTH: Final = len("2026-12-31")

# What no reader may be shown: NUL, lone surrogates, controls that turn the order of text around.
_UNSOUND: Final = {
    code: f"\\u{code:04x}"
    for code in (
        0,
        0x061C,
        *range(0x200E, 0x2010),
        *range(0x202A, 0x202F),
        *range(0x2066, 0x206A),
        *range(0xD800, 0xE000),
    )
}


class Unreadable(Exception):
    """The policy cannot make out what an event means; it is parked with this reason.

    `waits_for` is the price that it does not have, if that is why.
    """

    def __init__(self, reason: EventReason, message: str, waits_for: str = "") -> None:
        super().__init__(message)
        self.reason = reason
        self.message = storable(message)
        self.waits_for: str = sound(waits_for)


def malformed(message: str) -> Unreadable:
    return Unreadable(EventReason.MALFORMED, message)


def sound(value: Any) -> Any:
    """Write in escapes what cannot be stored or would mislead a reader, in keys and texts."""
    match value:
        case str():
            return value.translate(_UNSOUND)
        case list():
            return [sound(item) for item in value]
        case dict():
            return {sound(key): sound(item) for key, item in value.items()}
        case float() if value - value != 0:  # infinite: JSON has no way to write it
            return str(value)
    return value


def storable(message: str) -> str:
    """Write a message so that every database keeps it: it may repeat what was sent."""
    plain: str = sound(message)
    return plain[:_MOST_MESSAGE]


def find(path: Expression, data: Any, name: str) -> Any:
    """Evaluate an expression. Raises: Unreadable, if it cannot be applied to the data."""
    try:
        return path.search(data)
    except (JMESPathError, *_UNFIT) as error:
        raise malformed(f"`{name}` cannot be evaluated: {' '.join(str(error).split())}") from error


def holds(path: Expression, data: Any, name: str) -> bool:
    """Evaluate a condition; what JMESPath takes for false are null, false, "" and empty."""
    return find(path, data, name) not in (None, False, "", [], {})


def text(value: Any, name: str) -> str:
    match value:
        case None:
            return ""
        case str() if len(value) <= _MOST_TEXT and (not value or value.isprintable()):
            return value.strip()
    raise malformed(f"`{name}` is no text of up to {_MOST_TEXT} printable characters")


def label(value: Any, name: str) -> str:
    """Read a name as people paste it, with line breaks, hard spaces or marks that nobody sees."""
    if isinstance(value, str):
        value = " ".join("".join(c if c.isprintable() else " " for c in value).split())
    return text(value, name)


def identifier(value: Any, name: str) -> str:
    """Read an id: text, or a whole number as some systems have them."""
    total = isinstance(value, int) and not isinstance(value, bool)
    return str(value) if total else text(value, name)


def instant(value: Any, name: str, times: Times, *, ends: bool = False) -> Instant:
    """Read a number in the unit that the source declares, RFC 3339, or a day.

    `ends` is for the end of something: the day that is named may belong to it.
    """
    moment = _moment(value, times, ends)
    if moment is not None and EARLIEST <= moment < LATEST:
        return moment
    unit = times.unit.value if times.unit is not TimeUnit.RFC3339 else "RFC 3339"
    raise malformed(
        f"`{name}` is {str(value)[:60]!r}: expected {unit} (`times` of the source) "
        "between the years 2000 and 2100"
    )


def _moment(value: Any, times: Times, ends: bool) -> Instant | None:
    match value:
        case bool() | None:
            return None
        case int() | float() if times.unit in _PER_UNIT and abs(value) < 10**_MOST_DIGITS:
            return round(value * _PER_UNIT[times.unit])
        case str() if value.isascii() and value.isdecimal():
            return _moment(int(value[:_MOST_DIGITS]), times, ends)
        case str():
            return _written(value, times, ends)
    return None


def _written(value: str, times: Times, ends: bool) -> Instant | None:
    zone = ZoneInfo(times.zone)
    try:
        if len(value) == _DAY_LENGTH:
            day = date.fromisoformat(value)
            if ends and times.end_day_inclusive:
                day += timedelta(days=1)
            return from_datetime(datetime.combine(day, time(), zone))
        moment = datetime.fromisoformat(value)
        return from_datetime(moment if moment.tzinfo else moment.replace(tzinfo=zone))
    except (ValueError, OverflowError):
        return None


def merged(now: Any, previous: Any) -> Any:
    """Put together what an object was: as it is now, but for the parts that were others."""
    if isinstance(now, Mapping) and isinstance(previous, Mapping):
        return {**now, **{key: merged(now.get(key), value) for key, value in previous.items()}}
    return previous
