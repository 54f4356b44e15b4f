"""The writer's turn within one process: one at a time, and who takes access away goes first."""

import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager

from authz_service.errors import ErrorReason, Unavailable


class Turn:
    """A lock that is handed on: to those who take access away, then to others, each in order."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._first: deque[threading.Event] = deque()
        self._others: deque[threading.Event] = deque()
        self._taken = False

    @contextmanager
    def next(self, seconds: float, *, first: bool = False) -> Iterator[None]:
        """Wait for the turn. Raises: Unavailable, DATABASE_UNAVAILABLE, after `seconds`."""
        if not self._acquired(seconds, self._first if first else self._others):
            raise Unavailable(
                ErrorReason.DATABASE_UNAVAILABLE,
                "other changes wait for the database and this one would wait too long; try again",
            )
        try:
            yield
        finally:
            self._hand_on()

    def _acquired(self, seconds: float, line: deque[threading.Event]) -> bool:
        with self._lock:
            if not self._taken:
                self._taken = True
                return True
            mine = threading.Event()
            line.append(mine)
        if mine.wait(seconds):
            return True
        with self._lock:
            # It may have been handed over at the very last moment.
            if not mine.is_set():
                line.remove(mine)
            return mine.is_set()

    def _hand_on(self) -> None:
        with self._lock:
            line = self._first or self._others
            if line:
                line.popleft().set()
            else:
                self._taken = False
