"""The time of one process: never back, and never far from the database's clock."""

import time
from collections.abc import Callable
from typing import Final

import structlog

from authz_service.domain.window import Instant
from authz_service.errors import ErrorReason, Unavailable

log = structlog.get_logger()

SECOND: Final = 1_000_000

AGREES: Final = 1 * SECOND
"""Microseconds by which two clocks may differ before one of them counts as wrong."""

MAY_COMMIT: Final = 5 * SECOND
"""Microseconds that a process may be ahead of the database's clock and still commit."""

_UPTIME: Final = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)


def uptime() -> float:
    """Read seconds that nobody can set: they go on while a process is stopped or a machine sleeps,
    where the system can tell.
    """
    return time.clock_gettime(_UPTIME)


class Time:
    """Tells the time from the machine's clock, as long as that is right.

    A clock that is set back is not followed: time goes on from where it was. A clock that is ahead
    of the database's is not followed either, where the database has one of its own (`hear`). And
    now is never before an instant that was told already, nor before the newest commit (`pass_by`).
    """

    def __init__(self, wall: Callable[[], Instant], elapsed: Callable[[], float] = uptime) -> None:
        self.elapsed = elapsed
        self._wall = wall
        self._anchor = (wall(), elapsed())
        self._latest: Instant = 0
        self._database = False
        self.offset: Instant = 0
        """Microseconds by which the machine's clock is ahead of the time that we tell."""

    def now(self) -> Instant:
        """Give the time: microseconds since the epoch, UTC."""
        wall, now = self._wall(), self._expected()
        if abs(wall - now) <= AGREES or (wall > now and not self._database):
            if wall > now:
                self._anchor = (wall, self.elapsed())
            now = wall
        self._note(wall - now)
        self._latest = now = max(now, self._latest)
        return now

    def pass_by(self, instant: Instant) -> None:
        """Let no time be told that is before an instant: a commit was made at it."""
        self._latest = max(instant, self._latest)

    def hear(self, told: Instant) -> None:
        """Take the time from the database's clock, unless it has gone back."""
        if not self._database:
            # What this machine's clock says is no longer a measure, nor what was told by it.
            self._database, self._latest = True, 0
        elif told < self._expected() - AGREES:
            return
        self._anchor = (told, self.elapsed())

    def require_not_ahead(self, told: Instant) -> None:
        """Let nobody commit by a clock that is far ahead of the database's: all that is committed
        later would be given no earlier instant, for good.

        Raises:
            Unavailable: CLOCK_AHEAD.
        """
        ahead = self._wall() - told
        if ahead > MAY_COMMIT:
            raise Unavailable(
                ErrorReason.CLOCK_AHEAD,
                f"the clock of this server is {ahead / SECOND:.0f} s ahead of the database's, so "
                "it commits nothing; set the clock, or ask another server",
                details={"seconds": f"{ahead / SECOND:.1f}"},
            )

    def _expected(self) -> Instant:
        at, since = self._anchor
        return at + round((self.elapsed() - since) * SECOND)

    def _note(self, offset: Instant) -> None:
        before, self.offset = abs(self.offset) > AGREES, offset
        if (abs(offset) > AGREES) != before:
            seconds = round(offset / SECOND, 1)
            if before:
                log.info("the machine's clock is right again", seconds=seconds)
            else:
                log.error("the machine's clock is off and is not followed", seconds=seconds)
