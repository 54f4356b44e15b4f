"""What administration tells the check workers of the same `serve`, and what they tell it.

A change is pushed to each worker and answered once each answers from it, however it learned of it.
A worker that does not keep up is waited for once; the change log reaches it all the same.
"""

import socket
import threading
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from time import monotonic
from typing import Any, Final

import structlog

from authz_service.domain.change import Delta, Revision
from authz_service.replication.frames import Frames, Kind
from authz_service.store import deltas

log = structlog.get_logger()

PATIENCE: Final = 0.09
"""Longest that a change waits for workers, in seconds."""

_LARGEST: Final = 64 * 1024
"""Characters of a change that are pushed; workers read larger ones in the change log."""


class _Worker:
    """A worker's end. `current` workers are waited for."""

    def __init__(self, frames: Frames, number: int) -> None:
        self.frames = frames
        self.number = number
        self.tip: Revision = -1
        self.current = False
        self.reports = 0


def _has_reported(worker: _Worker, before: int) -> bool:
    return worker.reports > before


class Hub:
    """Every check worker that is connected. `on_uses` hears when callers were let in."""

    def __init__(
        self,
        listener: socket.socket,
        head: Callable[[], Revision],
        on_uses: Callable[[dict[str, int]], None],
    ) -> None:
        self._listener = listener
        self._head = head
        self._on_uses = on_uses
        self._workers: dict[int, _Worker] = {}
        self._moved = threading.Condition()
        self._pushed: Revision = 0

    def start(self) -> None:
        threading.Thread(target=self._accept, name="workers", daemon=True).start()

    @property
    def current(self) -> int:
        """How many workers answer from the newest revision."""
        with self._moved:
            return sum(worker.current for worker in self._workers.values())

    def await_workers(self, number: int, seconds: float) -> None:
        """Wait until so many workers are current, but no longer than that."""
        with self._moved:
            self._moved.wait_for(
                lambda: sum(w.current for w in self._workers.values()) >= number, seconds
            )

    def push(self, delta: Delta) -> None:
        """Tell each worker of a committed change; none is waited for."""
        changes = deltas.write(delta.changes)
        fits = len(changes) <= _LARGEST
        with self._moved:
            self._pushed = max(self._pushed, delta.revision)
            for worker in self._workers.values():
                if fits:
                    self._send(worker, Kind.DELTA, [delta.revision, delta.at, changes])
                else:
                    self._send(worker, Kind.LOOK)

    def await_replicas(self, revision: Revision) -> None:
        """Wait until each current worker answers from the revision, no longer than `PATIENCE`."""
        with self._moved:
            if self._moved.wait_for(lambda: not self._behind(revision), PATIENCE):
                return
            for worker in self._behind(revision):
                worker.current = False
                log.warning("worker does not keep up", worker=worker.number, revision=worker.tip)
            self._moved.notify_all()

    def refresh(self, seconds: float = 0.1) -> None:
        """Have every worker bring its figures and uses up to date."""
        deadline = monotonic() + seconds
        with self._moved:
            asked = [(worker, worker.reports) for worker in self._workers.values()]
            for worker, _ in asked:
                self._send(worker, Kind.REPORT)
            for worker, before in asked:
                left = deadline - monotonic()
                if worker.current and left > 0:
                    self._moved.wait_for(partial(_has_reported, worker, before), left)

    def _behind(self, revision: Revision) -> list[_Worker]:
        return [w for w in self._workers.values() if w.current and w.tip < revision]

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(
                target=self._serve, args=(Frames(connection),), name="worker", daemon=True
            ).start()

    def _serve(self, frames: Frames) -> None:
        message = frames.receive()
        if message is not None and message[0] is Kind.HELLO:
            worker = _Worker(frames, message[1])
            with self._moved:
                self._workers[worker.number] = worker
                self._send(worker, Kind.WELCOME)
            while (message := frames.receive()) is not None:
                self._take(worker, *message)
            with self._moved:
                if self._workers.get(worker.number) is worker:
                    del self._workers[worker.number]
                self._moved.notify_all()
        frames.release()

    def _take(self, worker: _Worker, kind: Kind, body: Any) -> None:
        if kind is Kind.USES:
            self._on_uses(body)
        elif kind is Kind.SPENT:
            self._share(body, worker)
        with self._moved:
            if kind is Kind.REPORTED:
                worker.reports += 1
            elif kind is Kind.TIP:
                worker.tip = body
                worker.current = worker.current or body >= max(self._pushed, self._head())
            self._moved.notify_all()

    def _share(self, spent: dict[str, int], by: _Worker) -> None:
        """Tell every other worker what callers have spent at one."""
        with self._moved:
            for worker in self._workers.values():
                if worker is not by:
                    self._send(worker, Kind.SPENT, spent)

    def _send(self, worker: _Worker, kind: Kind, body: Any = None) -> None:
        """Send, or give the worker up: it comes again and reads the change log."""
        with suppress(OSError):
            worker.frames.send(kind, body)
            return
        worker.current = False
        worker.frames.close()
