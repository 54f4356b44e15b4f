"""A process of a `serve`, seen from inside: it shows that it lives, and ends when told to.

If the supervisor dies, it dies too, in the middle of whatever it does: an orphan would answer from
an index that nobody watches, and hold the ports against the next `serve`.
"""

import ctypes
import gc
import os
import select
import signal
import socket
import sys
import threading
from collections.abc import Callable
from typing import Final, Protocol

BEAT: Final = 0.25
"""Seconds between two signs of life."""

ALIVE: Final = b"."
READY: Final = b"!"

_SET_DEATH_SIGNAL: Final = 1
"""Of prctl(2), Linux: the signal that comes when the parent dies."""


class Role(Protocol):
    """What a process does."""

    def start(self) -> None: ...

    def stop(self) -> None: ...

    def beat(self) -> None:
        """Do what is to be done four times a second."""


def run(make: Callable[[], Role], supervisor: socket.socket) -> int:
    """Make and run a role until the supervisor says so. Returns the exit code."""
    _die_with_parent()
    stopping = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stopping.set())
    # A terminal tells all processes; what this one does is the supervisor's to say.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, BLOCKED)
    pulse = Pulse(supervisor, stopping)
    pulse.start()
    role = make()
    role.start()
    gc.freeze()  # what is there stays, the index above all: collecting need not look through it
    gc.enable()
    pulse.ready(role.beat)
    stopping.wait()
    role.stop()
    return 0


BLOCKED: Final = {signal.SIGTERM, signal.SIGINT, signal.SIGCHLD}
"""Signals that wait while a process is forked: they would come to handlers of the parent."""


class Pulse:
    """A thread that shows signs of life to the supervisor, and kills the process with it."""

    def __init__(self, supervisor: socket.socket, stopping: threading.Event) -> None:
        self._supervisor = supervisor
        self._stopping = stopping
        self._sign = ALIVE
        self._beat: Callable[[], None] | None = None
        self._thread = threading.Thread(target=self._run, name="pulse", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def ready(self, beat: Callable[[], None]) -> None:
        self._beat = beat
        self._sign = READY
        self._show()

    def _run(self) -> None:
        while self._show():
            if self._beat is not None and not self._stopping.is_set():
                self._beat()
            readable, _, _ = select.select([self._supervisor], [], [], BEAT)
            if readable:  # it sends nothing: it is gone
                break
        os.kill(os.getpid(), signal.SIGKILL)

    def _show(self) -> bool:
        try:
            self._supervisor.send(self._sign, socket.MSG_DONTWAIT | socket.MSG_NOSIGNAL)
        except BlockingIOError:
            return True  # it has not read for long, and has signs enough
        except OSError:
            return False
        return True


def _die_with_parent() -> None:
    """Have Linux kill this process with its parent, even where it stands still; the pulse does so
    elsewhere, and if the parent is dead already.

    Raises: OSError.
    """
    if sys.platform != "linux":
        return
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(_SET_DEATH_SIGNAL, signal.SIGKILL, 0, 0, 0):
        raise OSError(ctypes.get_errno(), "prctl")


def require_one_thread() -> None:
    """Refuse to fork where that would copy a lock in use: gRPC, drivers and our own threads come
    after the fork only.

    Raises: RuntimeError.
    """
    tasks = "/proc/self/task"
    threads = len(os.listdir(tasks)) if os.path.isdir(tasks) else threading.active_count()  # noqa: PTH208, PTH112
    if threads > 1:
        raise RuntimeError(f"{threads} threads run, and a process is to be forked")
