"""When keys were last used: noted in memory as calls come in, stored once a minute."""

import threading
from collections.abc import Callable, Mapping
from typing import Final

import structlog

from authz_service.domain.window import Instant
from authz_service.engine.index import Index
from authz_service.errors import AuthzError
from authz_service.store import key_use
from authz_service.store.database import Database

log = structlog.get_logger()

EVERY: Final = 60.0
"""Seconds between two writes: the most that is lost when a process dies."""

_SUBJECT: Final = "service:"
_KEY: Final = "service:key-"
"""Subjects of keys; a customer's users, who call with tokens, are not noted."""


class KeyUse:
    """Notes uses in this process; a thread of its own writes them to the table `key_use`."""

    def __init__(
        self,
        database: Database,
        index: Callable[[], Index],
        clock: Callable[[], Instant],
        every: float = EVERY,
    ) -> None:
        self._database = database
        self._index = index
        self._clock = clock
        self._every = every
        self._seen: dict[str, Instant] = {}
        self._written: dict[str, Instant] = {}
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="key-use", daemon=True)

    def note(self, caller: str) -> None:
        """Note that a caller was let in. It is called for every check: one entry of a dictionary,
        which needs no lock; of two threads the later to write wins, microseconds apart.
        """
        if caller.startswith(_KEY):
            self._seen[caller] = self._clock()

    def seen(self) -> Mapping[str, Instant]:
        """Return when this process last saw each key, stored or not."""
        uses = self._seen.copy()
        keys = self._index().keys
        by_id = ((caller.removeprefix(_SUBJECT), at) for caller, at in uses.items())
        return {key: at for key, at in by_id if key in keys}

    def take(self, uses: Mapping[str, Instant]) -> None:
        """Take over when callers were let in by another process of this `serve`."""
        for caller, at in uses.items():
            if at > self._seen.get(caller, 0):
                self._seen[caller] = at

    def fresh(self) -> dict[str, Instant]:
        """Return the uses since the last time that this was asked, for another process."""
        uses = self._seen.copy()
        fresh = {caller: at for caller, at in uses.items() if self._written.get(caller) != at}
        self._written = uses
        return fresh

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Store what is left, and stop."""
        self._stopping.set()
        if self._thread.ident is not None:
            self._thread.join()

    def flush(self) -> None:
        """Store what was seen since the last time.

        Raises:
            Unavailable: the database does not answer; the next time will do it.
        """
        uses = self.seen()
        fresh = {key: at for key, at in uses.items() if self._written.get(key) != at}
        if fresh:
            with self._database.write() as connection:
                key_use.write(connection, fresh)
        self._written = dict(uses)

    def _run(self) -> None:
        stopping = False
        while not stopping:
            stopping = self._stopping.wait(self._every)
            try:
                self.flush()
            except AuthzError as error:
                log.info("last use of keys not written", error=str(error.__cause__ or error))
            except Exception:  # this thread must outlive a fault, or no use is written again
                log.exception("last use of keys not written")
