"""What calls are told that are refused before they are served, at next to no cost.

The first of a second are each told and logged as every refusal is, with an id of their own. What
comes beyond shares one status and one line of the log a second: a flood of refusals is no flood of
work.
"""

import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Final

import grpc
import structlog
from google.rpc import code_pb2

from authz_service.errors import AuthzError, ErrorReason, ResourceExhausted
from authz_service.rpc.errors import CODES, to_status
from authz_service.serving import logs
from authz_service.serving.call_stats import Ending, Observation
from authz_service.serving.rate_limits import TokenBuckets

log = structlog.get_logger()

TOLD_EACH: Final = 20
"""Refusals a second that are told with an id and a line of log of their own."""
MOST_FAILURES: Final = 1000
"""Refused credentials a second from one address; further ones are told to come later."""
_EVERY: Final = 1.0
_SHARED: Final = frozenset({ErrorReason.OVERLOADED, ErrorReason.TOO_MANY_OPEN_CALLS})
"""Reasons of which no call needs an id of its own: it was not looked at."""
_CREDENTIALS: Final = frozenset({ErrorReason.CREDENTIALS_INVALID, ErrorReason.CREDENTIALS_MISSING})
_MOST_KEPT: Final = 1000


class Refusals:
    """Writes refusals of one port as statuses, and counts them."""

    def __init__(
        self, new_id: Callable[[], str], observed: Observation, tick: Callable[[], float]
    ) -> None:
        self.shed = 0
        self._new_id, self._observed, self._tick = new_id, observed, tick
        self._lock = threading.Lock()
        self._each = TokenBuckets(TOLD_EACH)
        self._failures = TokenBuckets(MOST_FAILURES)
        self._kept: dict[tuple[str, ErrorReason], tuple[float, grpc.Status]] = {}

    def status(self, rpc: str, who: str, refusal: AuthzError) -> grpc.Status:
        """Write a refusal of a call of `who`, a caller or an address."""
        at = self._tick()
        micros = int(at * 1e6)
        if refusal.reason in _CREDENTIALS and self._failures.take(who, 1, micros):
            refusal = _too_many_failures()
        code = code_pb2.Code.Name(CODES[refusal.reason])
        self._observed.mine.end((rpc, code), 0.0)
        with self._lock:
            if refusal.reason in _SHARED:
                self.shed += 1
            elif not self._each.take(who, 1, micros):
                return self._own(rpc, code, refusal)
            return self._same(rpc, who, at, refusal)

    def _own(self, rpc: str, code: str, refusal: AuthzError) -> grpc.Status:
        call_id = self._new_id()
        with suppress(Exception):  # as in `calls`: a log that cannot be written refuses nothing
            ending = Ending(rpc, code, refusal.reason.value, 0, "", call_id, "", 0.0, ())
            logs.refused(ending, refusal)
        return to_status(refusal, call_id)

    def _same(self, rpc: str, who: str, at: float, refusal: AuthzError) -> grpc.Status:
        """Write one status for all refusals of a second that are for one reason."""
        whose = "" if refusal.reason in _SHARED else who
        kept = self._kept.get((whose, refusal.reason))
        if kept is not None and at - kept[0] < _EVERY:
            return kept[1]
        call_id = self._new_id()
        log.warning(
            "calls are shed" if refusal.reason in _SHARED else "calls are refused",
            rpc=rpc,
            reason=refusal.reason.value,
            call_id=call_id,
            shed_so_far=self.shed,
        )
        if len(self._kept) >= _MOST_KEPT:
            self._kept.clear()
        status = to_status(refusal, call_id)
        self._kept[whose, refusal.reason] = at, status
        return status


def _too_many_failures() -> ResourceExhausted:
    return ResourceExhausted(
        ErrorReason.RATE_LIMITED,
        f"more than {MOST_FAILURES} wrong credentials a second from one address",
        retry_after=_EVERY,
        details={"rate": str(MOST_FAILURES)},
    )
