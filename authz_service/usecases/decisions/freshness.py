"""How new an answer has to be: what the caller demands of it, and what the settings allow."""

from collections.abc import Callable
from dataclasses import dataclass
from threading import BoundedSemaphore
from typing import Final, NamedTuple

from authz_service.domain.change import Revision
from authz_service.domain.window import Instant, rfc3339
from authz_service.errors import ErrorReason, FailedPrecondition, InvalidArgument, Unavailable
from authz_service.replication.replica import Replica
from authz_service.store.histories import History


@dataclass(frozen=True, slots=True)
class Demand:
    """What a call demands: a revision that the answer must know of, 0 for none, and how many
    seconds it may be behind at most, None for whatever the settings allow.
    """

    min_revision: Revision = 0
    max_staleness: float | None = None


NOTHING: Final = Demand()


class Origin(NamedTuple):
    """What an answer comes from: all up to an instant, of a history; `stale` if that is too old."""

    as_of: Instant
    history: History
    stale: bool = False


@dataclass(frozen=True, slots=True)
class Bounds:
    """`max_stale` is in seconds; beyond it calls are refused, or answered and marked if `answer`.

    `max_waiters` calls at most wait at once, `max_wait` seconds each.
    """

    max_stale: float
    answer: bool
    max_wait: float
    max_waiters: int


class Freshness:
    """Waits until a replica is as new as it has to be, and refuses if it does not become so."""

    def __init__(self, replica: Replica, bounds: Bounds) -> None:
        self._replica = replica
        self._bounds = bounds
        self._waiters = BoundedSemaphore(bounds.max_waiters)

    @property
    def too_old(self) -> bool:
        return self._replica.age > self._bounds.max_stale

    def require_allowed(self) -> bool:
        """Refuse what is too old for the settings; where they have it answered, tell that it is.

        Raises:
            Unavailable: REPLICA_STALE.
        """
        if not self.too_old:
            return False
        if self._bounds.answer:
            return True
        raise _too_old(self._replica, self._bounds.max_stale)

    def meet(self, demand: Demand, seconds_left: Callable[[], float | None]) -> bool:
        """Wait for what a call demands; tell whether anything had to be waited for.

        Raises:
            InvalidArgument: INVALID_FIELD: what it demands is negative.
            FailedPrecondition: REVISION_OF_OTHER_HISTORY.
            Unavailable: REVISION_NOT_REACHED, REPLICA_STALE.
        """
        revision, replica = demand.min_revision, self._replica
        if revision < 0:
            raise _negative(
                "min_revision", f"{revision}; send the revision that a change returned, or 0"
            )
        if not replica.tip.history.has(revision):
            raise foreign("min_revision", revision, replica.tip.history.id)
        newer = revision > replica.index.revision
        if newer:
            self._waiting(seconds_left, lambda wait: replica.wait_for(revision, wait))
        return self._no_older(demand.max_staleness, seconds_left) or newer

    def _no_older(self, seconds: float | None, left: Callable[[], float | None]) -> bool:
        if seconds is None:
            return False
        if seconds < 0:
            raise _negative("max_staleness", f"{seconds:g} s; send 0 s or more")
        age = self._replica.age
        if age <= seconds:
            return False
        since = self._replica.complete.since + age - seconds
        if not self._waiting(left, lambda wait: self._replica.wait_since(since, wait)):
            raise _too_old(self._replica, seconds, "max_staleness")
        return True

    def _waiting(
        self, seconds_left: Callable[[], float | None], wait_for: Callable[[float], object]
    ) -> object:
        """Wait; only some threads may, so that checks which need not wait go on."""
        remaining, most = seconds_left(), self._bounds.max_wait
        wait = most if remaining is None else min(remaining, most)
        waiting = self._waiters.acquire(blocking=False)
        try:
            # A little less than the deadline, so that the caller still hears the reason.
            return wait_for(wait * 0.9 if waiting else 0)
        finally:
            if waiting:
                self._waiters.release()


def foreign(field: str, revision: Revision, history: str) -> FailedPrecondition:
    return FailedPrecondition(
        ErrorReason.REVISION_OF_OTHER_HISTORY,
        f"{field} {revision} is of a history that the database is no longer in: it was restored, "
        "or a standby took over, and what that revision stood for may be lost; read anew",
        field=field,
        details={"history": history},
    )


def require_no_older(replica: Replica, seconds: float) -> None:
    """Refuse to go on from what is older. Raises: Unavailable, REPLICA_STALE."""
    if replica.age > seconds:
        raise _too_old(replica, seconds)


def _too_old(replica: Replica, allowed: float, field: str = "") -> Unavailable:
    age = replica.age
    return Unavailable(
        ErrorReason.REPLICA_STALE,
        f"the database was last read {age:.1f} s ago, and an answer may be {allowed:g} s old at "
        "most; ask another server, or again when the database answers",
        field=field,
        details={"age_seconds": f"{age:.1f}", "as_of_time": rfc3339(replica.complete.at)},
    )


def _negative(field: str, rest: str) -> InvalidArgument:
    return InvalidArgument(ErrorReason.INVALID_FIELD, f"{field} is {rest}", field=field)
