"""A check worker's connection to the administration of the same `serve`.

It brings changes at once. While it is down, and for whatever it does not bring, the worker reads
the change log as any other process does.
"""

import socket
import threading
from contextlib import suppress
from typing import Any, Final, Protocol

import structlog

from authz_service.domain.change import Revision
from authz_service.errors import Unavailable
from authz_service.replication.frames import Frames, Kind
from authz_service.replication.replica import Replica
from authz_service.store import deltas

log = structlog.get_logger()

_AGAIN: Final = 0.05
"""Seconds between attempts to connect."""


class Reporter(Protocol):
    """What a worker has to tell beside its revision."""

    def save(self) -> None:
        """Write the figures down where the administration reads them."""

    def uses(self) -> dict[str, int]:
        """Return when callers were let in since the last time."""

    def spent_elsewhere(self, spent: dict[str, int]) -> None:
        """Take into account what callers have spent at other workers."""


class Link:
    """Follows what the administration pushes, on a thread of its own."""

    def __init__(self, path: str, number: int, replica: Replica, reporter: Reporter) -> None:
        self._path = path
        self._number = number
        self._replica = replica
        self._reporter = reporter
        self._frames: Frames | None = None
        self._joined = threading.Event()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="link", daemon=True)
        replica.tell(self._tell_tip)

    @property
    def up(self) -> bool:
        """Whether changes of the own administration arrive here by themselves."""
        return self._joined.is_set()

    def start(self, seconds: float) -> None:
        """Connect, and wait until everything committed so far is here, no longer than that."""
        self._thread.start()
        self._joined.wait(seconds)

    def stop(self) -> None:
        self._stopping.set()
        if self._frames is not None:
            self._frames.close()
        self._thread.join()

    def report(self) -> None:
        """Tell what has come together since the last time."""
        self._reporter.save()
        uses = self._reporter.uses()
        if uses:
            self._send(Kind.USES, uses)

    def tell_spent(self, spent: dict[str, int]) -> None:
        if spent:
            self._send(Kind.SPENT, spent)

    def _run(self) -> None:
        while not self._stopping.is_set():
            connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            with connection, suppress(OSError):
                connection.connect(self._path)
                self._follow(Frames(connection))
            self._joined.clear()
            self._frames = None
            # What the other end committed last may have died with it.
            self._catch_up()
            self._stopping.wait(_AGAIN)

    def _follow(self, frames: Frames) -> None:
        frames.send(Kind.HELLO, self._number)
        while (message := frames.receive()) is not None:
            if message[0] is Kind.WELCOME:
                self._frames = frames
            self._take(*message)

    def _take(self, kind: Kind, body: Any) -> None:
        match kind:
            case Kind.WELCOME:
                self._catch_up()
                self._tell_tip(self._replica.index.revision)
                self._joined.set()
            case Kind.DELTA:
                self._advance(*body)
            case Kind.LOOK:
                self._catch_up()
            case Kind.REPORT:
                self.report()
                self._send(Kind.REPORTED)
            case Kind.SPENT:
                self._reporter.spent_elsewhere(body)

    def _advance(self, revision: Revision, at: int, changes: str) -> None:
        here = self._replica.index.revision
        if revision == here + 1:
            self._replica.advance(deltas.read(revision, changes, at))
        elif revision > here:
            self._catch_up()

    def _catch_up(self) -> None:
        try:
            self._replica.catch_up()
        except Unavailable as error:
            log.warning("change log not read", error=str(error.__cause__ or error))

    def _tell_tip(self, revision: Revision) -> None:
        self._send(Kind.TIP, revision)

    def _send(self, kind: Kind, body: Any = None) -> None:
        frames = self._frames
        if frames is not None:
            with suppress(OSError):
                frames.send(kind, body)
                return
            frames.close()
