"""A process of a `serve`, seen from its supervisor."""

import os
import signal
import socket
from collections.abc import Callable
from contextlib import suppress
from math import inf
from typing import Any, Final

import structlog

from authz_service.app.child import READY

log = structlog.get_logger()

_FIRST: Final = 0.25
_LONGEST: Final = 30.0
"""Seconds before a process is started again: none at first, then these, doubling."""

_SOUND: Final = 60.0
"""A process that ran so long begins with no delay again."""

_TO_STOP: Final = 10.0
"""Seconds beyond the draining of calls that a process gets to stop."""


class Process:
    """Runs again and again; what happens to it is said by the supervisor, who looks at it."""

    def __init__(self, name: str, kind: Callable[[bool], Any], silent_seconds: float) -> None:
        self.name = name
        self.kind = kind
        self.ready = False
        self.was_ready = False
        self._silent_seconds = silent_seconds
        self._pid = 0
        self.control: socket.socket | None = None
        self._heard_at = 0.0
        self._started_at = 0.0
        self._delay = 0.0
        self._due_at = 0.0
        self._kill_at = inf

    @property
    def runs(self) -> bool:
        return bool(self._pid)

    def is_due(self, now: float) -> bool:
        return not self._pid and now >= self._due_at

    def started(self, pid: int, control: socket.socket, now: float) -> None:
        self._pid, self.control = pid, control
        self._started_at = self._heard_at = now
        self._kill_at = inf

    def restart(self, now: float) -> float:
        """Have it started again; return in how many seconds."""
        if now - self._started_at > _SOUND:
            self._delay = 0.0
        delay = self._delay
        self._delay = min(_LONGEST, max(_FIRST, 2 * delay))
        self._due_at = now + delay
        return delay

    def hear(self, now: float) -> None:
        """Take in signs of life."""
        signs = b""
        if self.control is not None:
            with suppress(OSError):
                signs = self.control.recv(4096)
        if not signs:
            self.forget()  # it ends: there will be none any more
            return
        self._heard_at = now
        if READY in signs:
            self.ready = self.was_ready = True

    def excuse(self, now: float) -> None:
        """Leave out of account how long it was silent so far."""
        self._heard_at = now

    def look(self, now: float, *, stopping: bool) -> int | None:
        """Kill it if it is silent or does not stop; return its exit code once it has ended."""
        if not self._pid:
            return None
        silent = not stopping and now - self._heard_at > self._silent_seconds
        if silent or now > self._kill_at:
            log.error("process is killed", process=self.name, silent=silent)
            os.kill(self._pid, signal.SIGKILL)
            self._kill_at, self._heard_at = inf, now
        pid, status = os.waitpid(self._pid, os.WNOHANG)
        if not pid:
            return None
        self._pid, self.ready = 0, False
        self.forget()
        return os.waitstatus_to_exitcode(status)

    def terminate(self, drained_at: float) -> None:
        """Ask it to stop; it is killed if it does not."""
        if self._pid:
            self._kill_at = min(self._kill_at, drained_at + _TO_STOP)
            with suppress(ProcessLookupError):
                os.kill(self._pid, signal.SIGTERM)

    def forget(self) -> None:
        """Close what only the supervisor may hold: a process that has it would not see it end."""
        if self.control is not None:
            self.control.close()
            self.control = None
