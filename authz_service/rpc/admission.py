"""Who is let in: judged at a call's headers, bounded while it waits, served in its caller's turn.

All that happens here before a call is whole happens on the one thread that takes calls in, or on
that which verifies tokens, and waits for nobody.
"""

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from math import inf
from time import monotonic
from typing import Any, Final, Protocol

import structlog

from authz_service.domain.window import Instant
from authz_service.errors import AuthzError, DeadlineExceeded, ErrorReason, ResourceExhausted
from authz_service.rpc.admission_queue import Line, Workers
from authz_service.rpc.parking import Call
from authz_service.rpc.refusals import Refusals
from authz_service.rpc.room import Room, RoomSettings
from authz_service.serving.call_stats import Observation
from authz_service.serving.rate_limits import TokenBuckets

log = structlog.get_logger()

_EVERY: Final = 0.25
"""Seconds between looks at calls that last too long."""
_GRACE: Final = 5.0
"""Seconds beyond the longest wait in which a call can still end by itself, with a reason."""
_RETRY_AFTER: Final = 1.0


@dataclass(frozen=True, slots=True)
class LimitSettings:
    """Of one port. `max_seconds` is the longest wait within a call; `per_second` 0 is no limit.

    `max_queue_seconds` bounds the wait for a thread; `standing_seconds` does while the line for
    one does not empty.
    """

    threads: int
    max_waiting: int
    max_queue_seconds: float
    max_seconds: float
    per_second: float
    standing_seconds: float = inf
    room: RoomSettings = field(default_factory=RoomSettings)


class Judge(Protocol):
    """Names the caller of a call whose headers came."""

    def judge(
        self, call: Call, let_in: Callable[[str], None], refuse: Callable[[AuthzError], None]
    ) -> None:
        """Call one of the two, now or from another thread; wait for nothing."""


class Admission:
    """Lets calls into one port."""

    def __init__(
        self,
        settings: LimitSettings,
        judge: Judge,
        clock: Callable[[], Instant],
        new_id: Callable[[], str],
        observed: Observation,
        tick: Callable[[], float] = monotonic,
    ) -> None:
        self.line = Line(
            settings.max_waiting, settings.max_queue_seconds, settings.standing_seconds, tick
        )
        self.workers = Workers(settings.threads, self.line, tick)
        self.room = Room(settings.room)
        self.refusals = Refusals(new_id, observed, tick)
        self._settings, self._judge = settings, judge
        self._clock, self._tick = clock, tick
        self._buckets = TokenBuckets(settings.per_second) if settings.per_second else None
        self._stopping = threading.Event()
        self._watching = threading.Thread(target=self._watch, name="rpc-watch", daemon=True)

    def start(self) -> None:
        self.workers.start()
        self._watching.start()

    def stop(self) -> None:
        self._stopping.set()
        self.workers.stop()

    def enter(self, call: Call, rpc: str) -> bool:
        """Count a call whose headers came; one that finds no room is refused."""
        call.when_over(partial(self.room.leave, call))
        if self.room.enter(call):
            return True
        self.refuse(call, rpc, _too_many_open("address"))
        return False

    def judge(self, call: Call, rpc: str, cost: int) -> None:
        """Have the caller named, and wait for the message of one that is let in."""
        self._judge.judge(
            call, partial(self._let_in, call, rpc, cost), partial(self.refuse, call, rpc)
        )

    def _let_in(self, call: Call, rpc: str, cost: int, caller: str) -> None:
        call.caller = caller
        refusal = self._beyond_share(call, cost)
        if refusal is None:
            self.receive(call, rpc)
        else:
            self.refuse(call, rpc, refusal)

    def _beyond_share(self, call: Call, cost: int) -> AuthzError | None:
        if not self.room.name(call, call.caller):
            return _too_many_open("caller")
        if self._buckets is not None:
            wait = self._buckets.take(call.caller, cost, self._clock())
            if wait:
                return self._too_often(wait)
        return _overloaded() if self.workers.full(call.caller) else None

    def receive(self, call: Call, rpc: str) -> None:
        """Wait for a call's message; where too many of its caller are awaited, the oldest goes."""
        for other in self.room.awaits(call, self._tick()):
            self._end(other, rpc, _too_many_open("caller"))
        call.receive()

    def charge(self, caller: str, cost: int) -> None:
        """Charge what only the message showed: it is waited off by the calls to come."""
        if self._buckets is not None and cost:
            self._buckets.owe(caller, cost, self._clock())

    def spent(self) -> dict[str, int]:
        """Return what callers have spent of their rates since the last time."""
        if self._buckets is None:
            return {}
        return {str(caller): tokens for caller, tokens in self._buckets.fresh().items()}

    def spent_elsewhere(self, spent: Mapping[str, int]) -> None:
        """Charge callers what they spent at another process of the same `serve`."""
        if self._buckets is not None:
            self._buckets.spent_elsewhere(spent, self._clock())

    def serve(self, call: Call, rpc: str, message: bytes) -> None:
        """Have a call that is whole served in its caller's turn."""
        self.room.whole(call)
        if not self.workers.serve(call.caller, partial(self._serve, call, rpc, message)):
            self.refuse(call, rpc, _overloaded())

    def _serve(self, call: Call, rpc: str, message: bytes, overdue: bool) -> None:
        if overdue:
            self.refuse(call, rpc, _overloaded())
        elif call.active:
            self.respond(call, message)

    def respond(self, call: Call, message: Any) -> None:
        """Answer a call on this thread."""
        call.respond(message)
        self.answered(call)

    def answered(self, call: Call) -> None:
        """Take down that nothing but the reader is waited for."""
        for unread in self.room.answered(call, self._tick()):
            self._cancel(unread)

    def refuse(self, call: Call, rpc: str, refusal: AuthzError) -> None:
        """End a call unserved."""
        call.refuse(self.refusals.status(rpc, call.caller or call.address, refusal))
        self.answered(call)

    def _end(self, call: Any, rpc: str, refusal: AuthzError) -> None:
        call.refuse(self.refusals.status(rpc, call.caller or call.address, refusal))

    def _cancel(self, call: Any) -> None:
        log.debug("answer not read", caller=call.caller)
        call.cancel()

    def _watch(self) -> None:
        while not self._stopping.wait(_EVERY):
            try:
                self.sweep(self._tick())
                self.cut(self._tick())
            except Exception as error:  # or nobody would watch any more
                log.error("watch over calls failed", exc_info=error)

    def sweep(self, at: float) -> None:
        """End the calls whose message has not come, and those whose answer nobody reads."""
        late, unread = self.room.overdue(at)
        for call in late:
            self._end(call, "", _never_came())
        for call in unread:
            self._cancel(call)

    def cut(self, at: float) -> None:
        """End the calls that arrived so long before `at` that no wait of ours explains it.

        What a handler does goes on; its caller is told CANCELLED.
        """
        longest = self._settings.max_seconds + self._settings.max_queue_seconds + _GRACE
        for slot in self.workers.slots:
            # In this order: a thread that goes on to its next call meanwhile is not overdue.
            context, since = slot.context, slot.since
            if context is not None and at - since > longest:
                log.warning("call cut", rpc=slot.rpc, seconds=round(at - since, 3))
                context.cancel()

    def _too_often(self, wait: float) -> ResourceExhausted:
        rate = f"{self._settings.per_second:g}"
        return ResourceExhausted(
            ErrorReason.RATE_LIMITED,
            f"more than {rate} calls a second by one caller; try again in {wait:.3f} s",
            retry_after=wait,
            details={"rate": rate},
        )


def _overloaded() -> ResourceExhausted:
    return ResourceExhausted(
        ErrorReason.OVERLOADED,
        "more calls arrive than can be answered in time; try again in a second or two",
        retry_after=_RETRY_AFTER,
    )


def _too_many_open(whose: str) -> ResourceExhausted:
    return ResourceExhausted(
        ErrorReason.TOO_MANY_OPEN_CALLS,
        f"too many calls of this {whose} are open at once; let some of them end first",
        retry_after=_RETRY_AFTER,
    )


def _never_came() -> AuthzError:
    return DeadlineExceeded(
        ErrorReason.MESSAGE_NOT_RECEIVED, "the call's message did not arrive in time"
    )
