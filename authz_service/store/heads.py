"""The locked head of a database that continues what was written last, in a new history if not."""

from collections.abc import Callable
from typing import Final

import structlog
from sqlalchemy import Connection

from authz_service.domain.audit import Actor, AuditRecord
from authz_service.domain.call import Call
from authz_service.domain.change import Revision
from authz_service.domain.tenant import SYSTEM
from authz_service.domain.window import Instant
from authz_service.store import change_log, histories, writing
from authz_service.store.database import Database
from authz_service.store.follower import Follower
from authz_service.store.histories import Head

log = structlog.get_logger()

_SERVER: Final = Actor("service:authz")

CheckClock = Callable[[Instant], None]


class Heads:
    """Locks the head, and looks first whether the database is another copy than was written last.

    `check_clock` is told the database's time, where that has a clock of its own.
    """

    def __init__(
        self,
        database: Database,
        follower: Follower,
        clock: Callable[[], Instant],
        new_id: Callable[[], str],
        check_clock: CheckClock | None,
    ) -> None:
        self._database = database
        self._follower = follower
        self._clock = clock
        self._new_id = new_id
        self._check_clock = check_clock
        self._looked = False

    def lock(self, connection: Connection, *, trial: bool = False) -> Head:
        """Lock the head of a transaction that has just begun; a trial begins no history.

        Raises:
            Unavailable: CLOCK_AHEAD.
        """
        head = histories.lock_head(connection)
        if head.now is not None and self._check_clock is not None:
            self._check_clock(head.now)
        why = "" if trial else self._discontinued(connection, head)
        if not why:
            return head
        self._begin(connection, head, why)
        connection.commit()
        self._database.begin(connection)
        return histories.lock_head(connection)

    def check_history(self) -> str:
        """Begin a new history if the database is another copy than the one that was written last;
        return the one that it is in.
        """
        with self._database.write() as connection:
            head = self.lock(connection)
            self._follower.at(head, connection)
        return head.history

    def begin_history(self, instead_of: str, reason: str) -> Revision:
        """Begin a new history, unless the database has left the one named; return the head."""
        with self._database.write() as connection:
            head = histories.lock_head(connection)
            if head.history != instead_of:
                return head.revision
            return self._begin(connection, head, reason)

    def _discontinued(self, connection: Connection, head: Head) -> str:
        """Say why a new history must begin, "" if none must. A copy nobody wrote gets its name."""
        copy = self._database.copy_of(connection)
        history, revision = self._follower.known
        if head.history == history and head.revision < revision:
            return _lost(revision)
        last = None if self._looked else self._database.last_commit.read()
        self._looked = True
        if last is not None and change_log.instant_of(connection, last[0]) != last[1]:
            return _lost(last[0])
        if copy and not head.copy:
            histories.mark(connection, copy)
        elif copy and copy != head.copy:
            return "the database is another copy: it was restored, or a standby took over"
        return ""

    def _begin(self, connection: Connection, head: Head, reason: str) -> Revision:
        at, history = self._clock(), self._new_id()
        copy = self._database.copy_of(connection)
        first = histories.begin(connection, head, history, at, copy)
        details = {"before": head.history, "last_shared": str(head.revision)}
        record = AuditRecord(
            "history.began", SYSTEM, (f"history:{history}",), reason=reason, details=details
        )
        entries = writing.sealed(connection, [record], [], Call(_SERVER), at, first)
        writing.append_entries(connection, entries)
        self._database.last_commit.note(first, at)
        log.error("a new history begins", history=history, reason=reason, **details)
        return first


def _lost(revision: Revision) -> str:
    return f"revision {revision} was committed and is no longer in the database"
