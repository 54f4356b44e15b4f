"""Keeping a replica up to date with what other processes commit."""

import threading
from collections.abc import Callable
from typing import Final

import structlog

from authz_service.errors import AuthzError
from authz_service.replication.replica import Replica
from authz_service.store.database import Database
from authz_service.store.wakeup import Listener

log = structlog.get_logger()


WATCH_SECONDS: Final = 0.25
"""How often is looked whether this replica has become too old."""


class Following:
    """Threads that keep a replica up to date: one reads the change log when woken, and every
    `poll_seconds` in any case; one reads it for calls that demand what is newer; one watches its
    age, whatever the database does to the other two.

    `apply_due` makes facts of what has come due: it is in force without, but not in the view that
    others read. `put_back` begins a new history, in the place of the one named, of a database that
    has lost what was known here. While the database does not answer, checks go on from the last
    index; `healthy` tells. `on_age` is told the age. `told` says whether changes of the own family
    arrive here by themselves.
    """

    def __init__(
        self,
        database: Database,
        replica: Replica,
        poll_seconds: float,
        on_health: Callable[[bool], None],
        apply_due: Callable[[], None] | None = None,
        put_back: Callable[[str, str], object] | None = None,
        on_age: Callable[[float], None] | None = None,
        told: Callable[[], bool] = lambda: True,
    ) -> None:
        self._replica = replica
        self._apply_due = apply_due
        self._put_back = put_back
        self._on_health = on_health
        self._on_age = on_age
        self._poll_seconds = poll_seconds
        self._stopping = threading.Event()
        self._listener = Listener(database, self._stopping, told)
        runs = {"following": self._run, "demand": self._read_on_demand, "age": self._watch_age}
        self._threads = [
            threading.Thread(target=run, name=name, daemon=True) for name, run in runs.items()
        ]
        self.healthy = True

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        self._stopping.set()
        self._replica.demand.set()
        for thread in self._threads:
            thread.join()

    def _run(self) -> None:
        while not self._stopping.is_set():
            self._listener.wait(self._poll_seconds)
            self._set_healthy(self._catch_up())
        self._listener.close()

    def _read_on_demand(self) -> None:
        demand = self._replica.demand
        while demand.wait() and not self._stopping.is_set():
            demand.clear()
            try:
                self._replica.catch_up()
            except Exception as fault:  # noqa: BLE001 - `_run` tells of outages; this outlives them
                log.debug("not read on demand", error=repr(fault))

    def _watch_age(self) -> None:
        while self._on_age is not None and not self._stopping.wait(WATCH_SECONDS):
            self._on_age(self._replica.age)

    def _catch_up(self) -> str:
        """Read on; return what went wrong, or "" if nothing did."""
        try:
            self._replica.catch_up()
            lost = self._replica.lost
            if lost and self._put_back is not None:
                self._put_back(lost, "the database lacks what was committed: it was set back")
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
