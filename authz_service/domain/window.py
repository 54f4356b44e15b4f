"""Instants and the half-open windows in which a fact holds."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from authz_service.errors import ErrorReason, InvalidArgument

Instant = int
"""Microseconds since the Unix epoch, UTC."""

BEGINNING: Final[Instant] = 0
FOREVER: Final[Instant] = 2**63 - 1
"""The end of a window that has none; the largest value of a SQL BIGINT."""

LATEST: Final[Instant] = 253_402_300_799_999_999
"""The last instant a caller may name: the end of year 9999, as google.protobuf.Timestamp has it."""

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Window:
    """`[valid_from, valid_until)`: the first instant is inside, the last is not."""

    valid_from: Instant = BEGINNING
    valid_until: Instant = FOREVER

    def covers(self, at: Instant) -> bool:
        return self.valid_from <= at < self.valid_until

    def contains(self, other: "Window") -> bool:
        """Tell whether every instant of `other` is in this window too."""
        return self.valid_from <= other.valid_from and other.valid_until <= self.valid_until

    def overlaps(self, other: "Window") -> bool:
        """Tell whether some instant is in both."""
        return self.valid_from < other.valid_until and other.valid_from < self.valid_until

    def checked(self, field: str = "window") -> "Window":
        """Return this window.

        Raises:
            InvalidArgument: it ends at or before its start, or leaves the years 1970 to 9999.
        """
        if not BEGINNING <= self.valid_from <= LATEST:
            raise _bad("valid_from lies outside the years 1970 to 9999", field)
        if self.valid_until != FOREVER and not BEGINNING <= self.valid_until <= LATEST:
            raise _bad("valid_until lies outside the years 1970 to 9999", field)
        if self.valid_until <= self.valid_from:
            raise _bad("the window ends at or before its start; valid_until must be later", field)
        return self


ALWAYS: Final = Window()


def rfc3339(at: Instant) -> str:
    """Write an instant as RFC 3339 in UTC with microseconds; one beyond `LATEST` as `LATEST`."""
    moment = _EPOCH + timedelta(microseconds=min(at, LATEST))
    return moment.isoformat(timespec="microseconds").replace("+00:00", "Z")


def instant(at: Instant) -> str:
    """Write an instant as protobuf does: RFC 3339 in UTC, with as many digits as it takes.

    RFC 3339 ends with the year 9999: an instant beyond `LATEST` is written as `LATEST`.
    """
    moment = _EPOCH + timedelta(microseconds=min(at, LATEST))
    digits = "milliseconds" if at % 1000 == 0 else "microseconds"
    digits = "seconds" if at % 1_000_000 == 0 else digits
    return moment.isoformat(timespec=digits).replace("+00:00", "Z")


def from_datetime(moment: datetime) -> Instant:
    """Convert an aware datetime; exact to the microsecond."""
    return (moment - _EPOCH) // timedelta(microseconds=1)


def _bad(message: str, field: str) -> InvalidArgument:
    return InvalidArgument(ErrorReason.INVALID_WINDOW, message, field=field)
