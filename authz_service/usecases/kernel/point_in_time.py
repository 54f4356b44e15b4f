"""Moments: an instant, and the revision as known at which it is looked at."""

from dataclasses import dataclass
from typing import NamedTuple

from authz_service.domain.change import Revision
from authz_service.domain.window import Instant
from authz_service.engine.index import Index
from authz_service.errors import ErrorReason, InvalidArgument
from authz_service.usecases.kernel import preconditions


@dataclass(frozen=True, slots=True)
class Moment:
    """What a caller names: `at` None is now, `as_known_at` 0 the newest revision.

    `known_time` names the revision by an instant at which it was the newest; None names none.
    """

    at: Instant | None = None
    as_known_at: Revision = 0
    known_time: Instant | None = None


class Resolved(NamedTuple):
    """A moment with nothing left open."""

    at: Instant
    revision: Revision


def resolved(moment: Moment, index: Index, now: Instant) -> Resolved:
    """Fill in what was left open, but for a revision named by an instant: only the log knows it.

    Raises:
        InvalidArgument: INVALID_FIELD, if the revision is not there yet, or no instant of the
            years 1970 to 9999 is meant.
    """
    if not 0 <= moment.as_known_at <= index.revision:
        raise InvalidArgument(
            ErrorReason.INVALID_FIELD,
            f"as_known_at {moment.as_known_at} is outside 1 to {index.revision}, the newest; "
            "0 takes the newest",
            field="as_known_at",
        )
    at = now if moment.at is None else preconditions.instant(moment.at, "at_time")
    return Resolved(at, moment.as_known_at or index.revision)
