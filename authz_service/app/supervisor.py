"""`authz serve`: a process without threads that starts the others, watches them, and stops them.

It has read the index before it forks, so a worker begins with it in memory that all of them share.
A process that dies or falls silent is started again, the more often it does so the later.
"""

import gc
import os
import select
import signal
import socket
from collections.abc import Callable, Sequence
from time import monotonic
from typing import Final, TypeAlias

import structlog

from authz_service.app import child
from authz_service.app.child import BLOCKED, Role, require_one_thread
from authz_service.app.processes import Process

log = structlog.get_logger()

Kind: TypeAlias = Callable[[bool], Role]
"""Makes a role in its process; it is told whether others serve already."""

_LOOK: Final = 0.25
"""Seconds between two looks at the processes."""

_PAUSE: Final = 1.0
"""A supervisor that was not let run for so long cannot say who was silent."""


class Supervisor:
    """Runs processes of some kinds until it is asked to stop."""

    def __init__(
        self,
        kinds: Sequence[tuple[str, Kind]],
        silent_seconds: float,
        drain_seconds: float,
        on_ready: Callable[[], None],
    ) -> None:
        self._processes = [Process(name, kind, silent_seconds) for name, kind in kinds]
        self._drain_seconds = drain_seconds
        self._on_ready = on_ready
        self._stopping = False
        self._all_ready = False
        self._code = 0
        self._looked_at = monotonic()

    def run(self) -> int | Callable[[], int]:
        """Supervise; return the exit code. In a process that was forked, return what it runs."""
        woken, wakes = socket.socketpair()
        for end in (woken, wakes):
            end.setblocking(False)
        signal.set_wakeup_fd(wakes.fileno(), warn_on_full_buffer=False)
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._stop)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        gc.collect()
        gc.freeze()  # a collection in a process would write to every page, and unshare it
        while True:
            for process in self._processes:
                if not self._stopping and process.is_due(monotonic()):
                    role = self._fork(process)
                    if role is not None:
                        return role
            self._wait(woken)
            self._look()
            if self._stopping and not any(process.runs for process in self._processes):
                return self._code

    def _fork(self, process: Process) -> Callable[[], int] | None:
        """Start a process; in it, return what it runs."""
        require_one_thread()
        ours, theirs = socket.socketpair()
        # What is buffered would be written twice.
        signal.pthread_sigmask(signal.SIG_BLOCK, BLOCKED)
        serving = self._all_ready
        pid = os.fork()
        if pid:
            signal.pthread_sigmask(signal.SIG_UNBLOCK, BLOCKED)
            theirs.close()
            ours.setblocking(False)
            process.started(pid, ours, monotonic())
            return None
        signal.set_wakeup_fd(-1)
        ours.close()
        for other in self._processes:
            other.forget()
        return lambda: child.run(lambda: process.kind(serving), theirs)

    def _wait(self, woken: socket.socket) -> None:
        controls = [process.control for process in self._processes if process.control is not None]
        readable, _, _ = select.select([woken, *controls], [], [], _LOOK)
        for process in self._processes:
            if process.control in readable:
                process.hear(monotonic())
        if woken in readable:
            _drained(woken)

    def _look(self) -> None:
        now = monotonic()
        paused, self._looked_at = now - self._looked_at > _PAUSE, now
        for process in self._processes:
            if paused:
                process.excuse(now)
            code = process.look(now, stopping=self._stopping)
            if code is not None:
                self._ended(process, code)
        if not self._all_ready and all(process.ready for process in self._processes):
            self._all_ready = True
            self._on_ready()

    def _ended(self, process: Process, code: int) -> None:
        if self._stopping:
            return
        if not process.was_ready:
            # It has said why: what does not come up at first will not by trying again.
            self._code = code if code > 0 else 1
            self._stop()
            return
        delay = process.restart(monotonic())
        log.error("process ended; it is started again", process=process.name, code=code, in_=delay)

    def _stop(self, *_: object) -> None:
        if not self._stopping:
            self._stopping = True
            log.info("stopping", drain_seconds=self._drain_seconds)
        for process in self._processes:
            process.terminate(monotonic() + self._drain_seconds)


def _drained(woken: socket.socket) -> None:
    try:
        while woken.recv(4096):
            continue
    except BlockingIOError:
        return
