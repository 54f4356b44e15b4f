"""Questions about another moment: another instant, or what was known at an earlier revision."""

from typing import Final, TypeAlias

from authz_service.domain.window import Instant
from authz_service.engine.builder import build
from authz_service.engine.index import Index
from authz_service.engine.scheduled import in_force
from authz_service.errors import ErrorReason, InvalidArgument
from authz_service.store import change_log
from authz_service.store.database import Database
from authz_service.store.facts import Facts
from authz_service.usecases.kernel import preconditions
from authz_service.usecases.kernel.point_in_time import Moment, resolved

_KNOWN_TIME: Final = "as_known_at_time"

Seen: TypeAlias = tuple[Index, Instant]
"""What a question is answered from, and the instant that it is about."""


class PointInTime:
    """Finds what a question about a moment is answered from.

    The newest revision is in memory, whatever the instant; an earlier one is read back from the
    rows that were open at it. Nothing of it is kept: who looks back does so now and then.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def named(self, moment: Moment) -> Moment:
        """Name the revision itself where a moment names it by an instant.

        Raises:
            InvalidArgument: INVALID_FIELD: it names both, or nothing was known at the instant.
            Unavailable: the database, which holds what was, does not answer.
        """
        if moment.known_time is None:
            return moment
        if moment.as_known_at:
            raise _wrong("it names a revision beside as_known_at: send one of the two")
        preconditions.instant(moment.known_time, _KNOWN_TIME)
        with self._database.read() as connection:
            revision = change_log.revision_at(connection, moment.known_time)
        if revision is None:
            raise _wrong("nothing was known yet at that instant: name a later one")
        return Moment(moment.at, revision)

    def seen(self, now: Seen, moment: Moment, tenant: str, subject: str | None) -> Seen:
        """Give the index for questions about one subject of one tenant, or about all if it is None.

        `now` is the newest revision and the instant, `tenant` and `subject` are well-formed.

        Raises:
            InvalidArgument: INVALID_FIELD: the revision is not there yet, or the instant is absurd.
            Unavailable: the database, which holds what was, does not answer.
        """
        index, instant = now
        at, revision = resolved(self.named(moment), index, instant)
        if revision == index.revision:
            return in_force(index, at), at
        with self._database.read() as connection:
            then = build(Facts(connection, revision).about(tenant, subject), revision)
        return in_force(then, at), at


def _wrong(message: str) -> InvalidArgument:
    return InvalidArgument(ErrorReason.INVALID_FIELD, message, field=_KNOWN_TIME)
