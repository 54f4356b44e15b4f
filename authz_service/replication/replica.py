"""The replica: this process's index, led by the change log and never ahead of the database."""

import threading
import time

import structlog
from sqlalchemy import Connection

from authz_service.domain.change import Delta, Revision
from authz_service.engine.builder import apply
from authz_service.engine.index import Index
from authz_service.errors import ErrorReason, Internal, Unavailable
from authz_service.store import change_log, snapshot
from authz_service.store.database import Database

log = structlog.get_logger()


class Replica:
    """Holds one index at a time and swaps it for the next. Reading `index` needs no lock: whoever
    holds it sees exactly one revision.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._index = Index.empty()
        self._changed = threading.Condition()
        self._read_at = time.monotonic()

    @property
    def age(self) -> float:
        """Seconds since the head was last read; whatever was committed before then is here."""
        return time.monotonic() - self._read_at

    @property
    def index(self) -> Index:
        return self._index

    def load(self) -> None:
        """Start from a snapshot of the database.

        Raises:
            Unavailable: the database does not answer.
        """
        with self._database.read() as connection:
            index = snapshot.read_index(connection)
        with self._changed:
            self._publish(index)
        self._read_at = time.monotonic()

    def catch_up(self) -> None:
        """Apply what other processes committed.

        Raises:
            Unavailable: the database does not answer; the index stays as it is.
        """
        with self._database.read() as connection:
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
                self._publish(apply(self._index, delta))
            except ValueError as error:
                self._start_again(error)

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
            index = self._index
            try:
                for delta in change_log.read_after(connection, index.revision):
                    index = apply(index, delta)
            except ValueError as error:
                self._start_again(error)
            else:
                self._publish(index)

    def _start_again(self, error: ValueError) -> None:
        """Read everything anew after a delta that does not fit: the database is right."""
        log.error("delta does not fit the index", revision=self._index.revision, error=str(error))
        with self._database.read() as connection:
            self._publish(snapshot.read_index(connection))

    def _publish(self, index: Index) -> None:
        self._index = index
        self._changed.notify_all()
