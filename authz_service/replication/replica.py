"""The replica: this process's index, led by the change log and never ahead of the database."""

import threading
import time
from contextlib import closing
from typing import Final

import structlog

from authz_service.domain.change import Delta, Revision
from authz_service.domain.window import Instant
from authz_service.engine.builder import apply
from authz_service.engine.index import Index
from authz_service.errors import ErrorReason, Internal, Unavailable
from authz_service.replication.index_file import Snapshot
from authz_service.store import change_log, snapshot
from authz_service.store.database import Connection, Database
from authz_service.store.facts import head

log = structlog.get_logger()

_MOST_TO_FOLLOW: Final = 20_000
"""Revisions of the change log that are read in about the time that a snapshot takes."""


class Replica:
    """Holds one index at a time and swaps it for the next. Reading `index` needs no lock: whoever
    holds it sees exactly one revision.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._index = Index.empty()
        self._tip: tuple[Revision, Instant | None] = (0, None)
        self._changed = threading.Condition()
        self._read_at = time.monotonic()

    @property
    def age(self) -> float:
        """Seconds since the head was last read; whatever was committed before then is here."""
        return time.monotonic() - self._read_at

    @property
    def index(self) -> Index:
        return self._index

    def load(self, kept: Snapshot | None = None) -> None:
        """Start from an index that was kept and follow the change log from there; or, if there is
        none or the log is long by now, from a snapshot of the database.

        Raises:
            Unavailable: the database does not answer.
        """
        if kept is not None and self._is_near(kept):
            with self._changed:
                self._publish(kept.index, kept.at)
            self.catch_up()
            return
        with self._changed:
            self._read_snapshot()
        self._read_at = time.monotonic()

    def snapshot(self) -> Snapshot:
        """Give the index to keep for a later start."""
        with self._changed:
            return Snapshot(self._index, self._tip[1])

    def catch_up(self) -> None:
        """Apply what other processes committed.

        A database that went back (a backup, a standby that was behind) has another history than
        this replica: its log lacks our revision, or has it from another instant. Then all is
        read anew.

        Raises:
            Unavailable: the database does not answer; the index stays as it is.
        """
        revision, at = self._tip  # Before the snapshot below, which cannot be older than it.
        with self._database.read() as connection:
            if change_log.instant_of(connection, revision) != at:
                with self._changed:
                    self._start_again(f"the database has another history at {revision}")
            else:
                self._follow(connection)
        self._read_at = time.monotonic()

    def at(self, revision: Revision, connection: Connection) -> Index:
        """Return the index of exactly `revision`, the locked head, reading what is missing.

        Raises:
            Internal: the change log does not lead there.
        """
        if self._index.revision != revision:
            self._follow(connection)
        index = self._index
        if index.revision != revision:
            raise Internal(
                ErrorReason.INTERNAL,
                f"the change log ends at {index.revision}, the head is {revision}",
            )
        return index

    def advance(self, delta: Delta) -> None:
        """Apply a committed delta; nothing happens if it was applied already."""
        with self._changed:
            if delta.revision <= self._index.revision:
                return
            try:
                self._publish(apply(self._index, delta), delta.at)
            except ValueError as error:
                self._start_again(str(error))

    def wait_for(self, revision: Revision, seconds: float) -> Index:
        """Return an index of at least `revision`.

        Raises:
            Unavailable: REVISION_NOT_REACHED after `seconds`.
        """
        if self._index.revision < revision:
            with self._changed:
                self._changed.wait_for(lambda: self._index.revision >= revision, seconds)
        index = self._index
        if index.revision < revision:
            raise Unavailable(
                ErrorReason.REVISION_NOT_REACHED,
                f"revision {revision} has not arrived here, this replica is at {index.revision}; "
                "try again, or ask without min_revision",
                field="min_revision",
                details={"revision": str(index.revision)},
            )
        return index

    def _follow(self, connection: Connection) -> None:
        with self._changed:
            index, at = self._index, self._tip[1]
            try:
                with closing(change_log.read_after(connection, index.revision)) as missing:
                    for delta in missing:
                        index, at = apply(index, delta), delta.at
            except ValueError as error:
                self._start_again(str(error))
            else:
                self._publish(index, at)

    def _is_near(self, kept: Snapshot) -> bool:
        with self._database.read() as connection:
            return head(connection) - kept.index.revision <= _MOST_TO_FOLLOW

    def _start_again(self, why: str) -> None:
        """Read everything anew where memory and database have come apart: the database is right."""
        log.error("replica starts again", revision=self._index.revision, error=why)
        self._read_snapshot()

    def _read_snapshot(self) -> None:
        with self._database.read() as connection:
            index = snapshot.read_index(connection)
            self._publish(index, change_log.instant_of(connection, index.revision))

    def _publish(self, index: Index, at: Instant | None) -> None:
        self._index = index
        self._tip = (index.revision, at)
        self._changed.notify_all()
