"""Keeping a replica up to date with what other processes commit."""

import threading
from collections.abc import Callable

import structlog

from authz_service.errors import AuthzError
from authz_service.replication.replica import Replica
from authz_service.store.database import Database
from authz_service.store.wakeup import Listener

log = structlog.get_logger()


class Following:
    """A thread that reads the change log when woken, and every `poll_seconds` in any case.

    `apply_due` makes facts of what has come due: it is in force without, but not in the view that
    others read. While the database does not answer, checks go on from the last index; `healthy`
    tells.
    """

    def __init__(
        self,
        database: Database,
        replica: Replica,
        poll_seconds: float,
        on_health: Callable[[bool], None],
        apply_due: Callable[[], None] | None = None,
    ) -> None:
        self._replica = replica
        self._apply_due = apply_due
        self._on_health = on_health
        self._poll_seconds = poll_seconds
        self._stopping = threading.Event()
        self._listener = Listener(database, self._stopping)
        self._thread = threading.Thread(target=self._run, name="following", daemon=True)
        self.healthy = True

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stopping.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._stopping.is_set():
            self._listener.wait(self._poll_seconds)
            self._set_healthy(self._catch_up())
        self._listener.close()

    def _catch_up(self) -> str:
        """Read on; return what went wrong, or "" if nothing did."""
        try:
            self._replica.catch_up()
            if self._apply_due is not None:
                self._apply_due()
        except AuthzError as error:
            return str(error.__cause__ or error)
        except Exception as error:  # noqa: BLE001 - without this thread no change would ever arrive
            return repr(error)
        return ""

    def _set_healthy(self, fault: str) -> None:
        if self.healthy and fault:
            log.error("database does not answer; checks go on from memory", error=fault)
        if not self.healthy and not fault:
            log.info("database answers again", revision=self._replica.index.revision)
        if self.healthy == bool(fault):
            self.healthy = not fault
            self._on_health(self.healthy)
