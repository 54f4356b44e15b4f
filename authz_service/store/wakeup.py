"""Waking readers after a commit. A wake-up that is lost costs latency, never correctness: every
reader also polls.
"""

from collections.abc import Callable
from contextlib import suppress
from threading import Event
from time import monotonic
from typing import Any, Final

import psycopg
from sqlalchemy import Connection

from authz_service.store.database import FAMILY, Database, connect_postgres

_CHANNEL: Final = "authz_change"

_LOOK_UP: Final = 0.2
"""Seconds after which a listener looks whether it is to stop; nothing else interrupts it."""


def wake(connection: Connection, *, everybody: bool = False) -> None:
    """Tell listeners of the change when, and only if, this transaction commits.

    Those of the own family need not be woken, unless `everybody` must read: they are told of the
    change itself.
    """
    if connection.dialect.name == "postgresql":
        family = "" if everybody else connection.get_execution_options().get(FAMILY, "")
        connection.connection.cursor().execute(f"NOTIFY {_CHANNEL}, '{family}'")


class Listener:
    """Waits for wake-ups on a PostgreSQL connection of its own; on SQLite it only lets time pass.

    It sleeps on when a process of the own family has committed, as long as `told` says that such
    changes arrive by themselves. Used by one thread, but `stopping` may be set by another.
    """

    def __init__(
        self, database: Database, stopping: Event, told: Callable[[], bool] = lambda: True
    ) -> None:
        self._stopping = stopping
        self._family = database.family
        self._told = told
        self._busy_seconds = database.busy_seconds
        postgres = database.dialect == "postgresql"
        self._address = database.url.set(drivername="postgresql") if postgres else None
        self._connection: psycopg.Connection[Any] | None = None

    def wait(self, seconds: float) -> None:
        """Return after a wake-up or after `seconds`, whichever is first; sooner when stopping."""
        if self._address is None:
            self._stopping.wait(seconds)
            return
        try:
            self._listen(seconds)
        except psycopg.Error:
            # Polling goes on in the meantime; the next call connects again.
            self.close()
            self._stopping.wait(seconds)

    def close(self) -> None:
        if self._connection is not None:
            with suppress(psycopg.Error):
                self._connection.close()
            self._connection = None

    def _listen(self, seconds: float) -> None:
        if self._connection is None:
            address = self._address.render_as_string(hide_password=False) if self._address else ""
            self._connection = connect_postgres(self._busy_seconds, address, autocommit=True)
            self._connection.execute(f"LISTEN {_CHANNEL}")
            return  # What was committed before listening is found by reading once more.
        deadline = monotonic() + seconds
        while not self._stopping.is_set() and (remaining := deadline - monotonic()) > 0:
            notes = self._connection.notifies(timeout=min(remaining, _LOOK_UP), stop_after=1)
            if any(not self._is_own(note.payload) for note in notes):
                return

    def _is_own(self, family: str) -> bool:
        return bool(family) and family == self._family and self._told()
