"""Instants as people write them."""

import re
from datetime import UTC, datetime, timedelta
from typing import Final

FORMS: Final = (
    "2026-12-01T00:00:00Z, in your time zone 2026-12-01 or 2026-12-01 14:30, "
    "or from now: +30d, +1d12h, -90d"
)
SPANS: Final = "24h, 30d, 1d12h, 0s"

_UNITS: Final = {
    "w": timedelta(weeks=1),
    "d": timedelta(days=1),
    "h": timedelta(hours=1),
    "m": timedelta(minutes=1),
    "s": timedelta(seconds=1),
}
_SPAN: Final = re.compile(r"(?:\d{1,9}[wdhms])+", re.ASCII)
_DURATION: Final = re.compile(rf"[+-]{_SPAN.pattern}", re.ASCII)
# What tables show, to the minute in the reader's time zone, can be typed again.
_LOCAL: Final = re.compile(r"\d{4}-\d{2}-\d{2}(?: \d{2}:\d{2})?", re.ASCII)
# RFC 3339, section 5.6: the offset is required, a space may stand for the T.
_INSTANT: Final = re.compile(
    r"\d{4}-\d{2}-\d{2}[Tt ]\d{2}:\d{2}:\d{2}(?:\.\d+)?(?:[Zz]|[+-]\d{2}:\d{2})", re.ASCII
)


def instant(text: str, now: datetime) -> datetime:
    """Read an instant; a duration counts from `now`.

    Raises:
        ValueError: no such form or no such instant; the message shows the forms.
    """
    try:
        if _DURATION.fullmatch(text):
            return now - _duration(text) if text.startswith("-") else now + _duration(text)
        if _LOCAL.fullmatch(text):
            return datetime.fromisoformat(text).astimezone(UTC)
        if _INSTANT.fullmatch(text):
            return datetime.fromisoformat(text.upper()).astimezone(UTC)
    except (ValueError, OverflowError):
        raise ValueError(f"{text!r} is not an instant of the calendar; write {FORMS}") from None
    raise ValueError(f"{text!r} is not an instant; write {FORMS}")


def since(text: str, now: datetime) -> datetime:
    """Read an instant; a length of time without a sign, such as 7d, counts back from `now`.

    Raises:
        ValueError: as `instant`.
    """
    return instant(f"-{text}" if _SPAN.fullmatch(text) else text, now)


def span(text: str) -> timedelta:
    """Read a length of time. Raises: ValueError."""
    try:
        if _SPAN.fullmatch(text):
            return _duration(text)
    except OverflowError:
        raise ValueError(f"{text!r} is too long; write {SPANS}") from None
    raise ValueError(f"{text!r} is not a length of time; write {SPANS}")


def _duration(text: str) -> timedelta:
    parts = re.findall(r"(\d+)([wdhms])", text)
    return sum((int(number) * _UNITS[unit] for number, unit in parts), timedelta())
