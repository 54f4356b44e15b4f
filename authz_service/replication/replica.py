"""The replica: this process's index, led by the change log and never ahead of the database."""

import threading
from collections.abc import Callable
from contextlib import closing
from typing import Final, NamedTuple

import structlog

from authz_service.domain.change import Delta, Revision
from authz_service.domain.window import Instant
from authz_service.engine.builder import apply
from authz_service.engine.index import Index
from authz_service.errors import ErrorReason, Internal, Unavailable
from authz_service.replication.index_file import Snapshot
from authz_service.replication.time import Time
from authz_service.store import change_log, histories, snapshot
from authz_service.store.database import Connection, Database
from authz_service.store.histories import Head, History

log = structlog.get_logger()

_MOST_TO_FOLLOW: Final = 20_000
"""Revisions of the change log that are read in about the time that a snapshot takes."""


class Tip(NamedTuple):
    """Where an index stands: its history, its revision, and when that was committed."""

    history: History = History()
    revision: Revision = 0
    at: Instant | None = None


class Complete(NamedTuple):
    """Up to when an index has all: `since` on the scale of `Time.elapsed`, `at` as an instant."""

    since: float
    at: Instant


def _to_nobody(_revision: Revision) -> None:
    """Tell nobody."""


class Replica:
    """Holds one index at a time and swaps it for the next. Reading `index` needs no lock: whoever
    holds it sees exactly one revision.

    `lost` names the history that the database was in when it had lost what was known here; "" as
    long as it has all.
    `demand` is set while somebody waits for what is newer than all that was read.
    """

    def __init__(self, database: Database, time: Time) -> None:
        self.time = time
        self.lost = ""
        self.demand = threading.Event()
        self._database = database
        self._index = Index.empty()
        self._tip = Tip()
        self._changed = threading.Condition()
        self._complete = Complete(time.elapsed(), 0)
        self._on_publish: Callable[[Revision], None] = _to_nobody

    def tell(self, on_publish: Callable[[Revision], None]) -> None:
        """Have each revision told that is answered from, from here on."""
        self._on_publish = on_publish

    @property
    def age(self) -> float:
        """Seconds since the head was last read; whatever was committed before then is here."""
        return self.time.elapsed() - self._complete.since

    @property
    def complete(self) -> Complete:
        """Up to when this replica has all. Ask before `index`: what comes later is only newer."""
        return self._complete

    @property
    def index(self) -> Index:
        return self._index

    @property
    def tip(self) -> Tip:
        return self._tip

    @property
    def known(self) -> tuple[str, Revision]:
        """The history that this replica is in, and the revision that it has."""
        return self._tip.history.id, self._tip.revision

    def load(self, kept: Snapshot | None = None) -> None:
        """Start from an index that was kept and follow the change log from there; or, if there is
        none or the log is long by now, from a snapshot of the database.

        Raises:
            Unavailable: the database does not answer.
        """
        if kept is not None and self._starts_from(kept):
            self.catch_up()
            return
        since = self.time.elapsed()
        self._read_snapshot()
        self._read_up_to(since)

    def snapshot(self) -> Snapshot:
        """Give the index to keep for a later start."""
        with self._changed:
            return Snapshot(self._index, self._tip.at, self._tip.history.id)

    def catch_up(self) -> None:
        """Apply what other processes committed.

        A database that went back (a backup, a standby that was behind) has another history than
        this replica: it says so, or its log lacks our revision, or has it from another instant.
        Then all is read anew.

        Raises:
            Unavailable: the database does not answer; the index stays as it is.
        """
        since, tip = self.time.elapsed(), self._tip  # Before the snapshot, which is no older.
        with self._database.read() as connection:
            head, at = histories.seen(connection, tip.revision)
            if head.now is not None:
                self.time.hear(head.now)
            if head.history != tip.history.id:
                self.lost = ""
                self._start_again(f"the database is in history {head.history}")
            elif at != tip.at:
                self.lost = tip.history.id
                self._start_again(f"the database has another history at {tip.revision}")
            elif head.revision != tip.revision:
                self._follow(connection)
        self._read_up_to(since)

    def at(self, head: Head, connection: Connection) -> Index:
        """Return the index of exactly the locked head, reading what is missing.

        Raises:
            Internal: the change log does not lead there.
        """
        if self._tip.history.id != head.history:
            self._start_again(f"the database is in history {head.history}")
        elif self._index.revision != head.revision:
            self._follow(connection)
        index = self._index
        if index.revision != head.revision:
            raise Internal(
                ErrorReason.INTERNAL,
                f"the change log ends at {index.revision}, the head is {head.revision}",
            )
        return index

    def advance(self, delta: Delta) -> None:
        """Apply a committed delta; nothing happens if it was applied already."""
        index, tip = self._index, self._tip
        if delta.revision <= index.revision:
            return
        try:
            self._move(apply(index, delta), delta.at, tip)
        except ValueError as error:
            self._start_again(str(error))

    def await_replicas(self, revision: Revision) -> None:
        """Wait for other replicas of the same `serve`: here there are none."""

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

    def wait_since(self, since: float, seconds: float) -> bool:
        """Wait until all is here that was committed before `since`; tell whether it is."""
        with self._changed:
            self.demand.set()
            return self._changed.wait_for(lambda: self._complete.since >= since, seconds)

    def _follow(self, connection: Connection) -> None:
        """Read what follows; nobody waits for the database behind a lock of ours meanwhile."""
        index, tip = self._index, self._tip
        at = tip.at
        try:
            with closing(change_log.read_after(connection, index.revision)) as missing:
                for delta in missing:
                    index, at = apply(index, delta), delta.at
        except ValueError as error:
            self._start_again(str(error))
        else:
            self._move(index, at, tip)

    def _starts_from(self, kept: Snapshot) -> bool:
        """Publish an index that was kept, if the database has it in its past, and not long ago."""
        revision = kept.index.revision
        with self._database.read() as connection:
            head, at = histories.seen(connection, revision)
            if head.history != kept.history or head.revision - revision > _MOST_TO_FOLLOW:
                return False
            if at != kept.at:
                self.lost = kept.history
                return False
            tip = Tip(histories.read(connection), revision, at)
        with self._changed:
            self._publish(kept.index, tip)
        return True

    def _start_again(self, why: str) -> None:
        """Read everything anew where memory and database have come apart: the database is right."""
        log.error("replica starts again", revision=self._index.revision, error=why)
        self._read_snapshot()

    def _read_snapshot(self) -> None:
        base = self._tip
        with self._database.read() as connection:
            history = histories.read(connection)
            index = snapshot.read_index(connection)
            head, at = histories.seen(connection, index.revision)
            if head.now is not None:
                self.time.hear(head.now)
        with self._changed:
            if self._tip is base or index.revision > self._index.revision:
                self._publish(index, Tip(history, index.revision, at))

    def _move(self, index: Index, at: Instant | None, base: Tip) -> None:
        """Publish what was worked out from a tip, unless something newer is here by now."""
        with self._changed:
            if self._tip.history == base.history and index.revision > self._index.revision:
                self._publish(index, Tip(base.history, index.revision, at))

    def _publish(self, index: Index, tip: Tip) -> None:
        if tip.at is not None:
            self.time.pass_by(tip.at)
        self._index = index
        self._tip = tip
        self._changed.notify_all()
        self._on_publish(index.revision)

    def _read_up_to(self, since: float) -> None:
        instant = self.time.now() - round((self.time.elapsed() - since) * 1_000_000)
        with self._changed:
            if since > self._complete.since:
                self._complete = Complete(since, instant)
                self._changed.notify_all()
