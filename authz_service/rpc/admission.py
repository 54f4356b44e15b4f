"""Limits on use: who calls too often waits, and what cannot be answered in time is refused early.

A call that arrives takes a place in the line for a thread. When the line is full it is refused at
once, on the thread that took it in; when it stood there too long it is refused before any work.
"""

import threading
from collections.abc import Callable, Iterator
from concurrent import futures
from dataclasses import dataclass
from functools import partial
from math import inf
from time import monotonic, sleep
from typing import Any, Final, NoReturn, TypeVar

import grpc
import structlog
from google.protobuf.message import DecodeError

from authz_service.domain.window import Instant
from authz_service.errors import ErrorReason, InvalidArgument, ResourceExhausted
from authz_service.rpc.admission_queue import AtOnce, Line, Threads
from authz_service.rpc.errors import to_status
from authz_service.serving.call_stats import Observation
from authz_service.serving.rate_limits import TokenBuckets

log = structlog.get_logger()

Context = grpc.ServicerContext
T = TypeVar("T")

REST: Final = 3e-4
"""Seconds that the thread which takes calls in rests after one that it had to refuse."""
_RETRY_AFTER: Final = 1.0
_EVERY: Final = 1.0
"""Seconds from one line of log about shed calls to the next, and between looks at long calls."""
_GRACE: Final = 5.0
"""Seconds beyond the longest wait in which a call can still end by itself, with a reason."""


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


class Limits:
    """The limits of one port."""

    def __init__(
        self,
        settings: LimitSettings,
        clock: Callable[[], Instant],
        new_id: Callable[[], str],
        observed: Observation,
        tick: Callable[[], float] = monotonic,
        rest: Callable[[float], None] = sleep,
    ) -> None:
        self.line = Line(
            settings.max_waiting, settings.max_queue_seconds, settings.standing_seconds, tick
        )
        self.threads = Threads(settings.threads, self.line)
        self.shed = 0
        self._settings = settings
        self._clock, self._new_id, self._tick = clock, new_id, tick
        self._observed, self._rest = observed, partial(rest, REST)
        self._at_once = AtOnce()
        self._buckets = TokenBuckets(settings.per_second) if settings.per_second else None
        self._telling = threading.Lock()
        self._told: tuple[float, grpc.Status] | None = None
        self._stopping = threading.Event()

    @property
    def full(self) -> bool:
        """Tell whether a call that arrives now would wait too long."""
        return self.line.full(self._tick())

    def charged(
        self,
        behaviour: Callable[[Any, Context], T],
        weight: str,
        payer: Callable[[Context], str],
    ) -> Callable[[Any, Context], T]:
        """Hold the callers of an RPC to the rate; without one, the RPC costs what it did.

        A call counts as many as the field `weight` of its request holds, or as one.
        `payer` names the caller by its credential, even before that is known to be good: whoever
        guesses at another's key uses up nothing of that one's.
        """
        buckets = self._buckets
        if buckets is None:
            return behaviour

        def charge(request: Any, context: Context) -> T:
            caller = hash(payer(context) or str(context.peer_identities()))
            tokens = len(getattr(request, weight)) if weight else 1
            if wait := buckets.take(caller, tokens, self._clock()):
                raise self._too_many(wait)
            return behaviour(request, context)

        return charge

    def received(
        self,
        behaviour: Callable[[Any, Context], T],
        parse: Callable[[bytes], Any],
        rpc: str,
    ) -> Callable[[Iterator[bytes], Context], T]:
        """Read a call's one message and serve it, unless it stood in line too long.

        It is read here, not by gRPC, so that a call whose message never comes is under watch.
        """
        own, tick, line = self.threads.own, self._tick, self.line

        def serve(requests: Iterator[bytes], context: Context) -> T:
            slot = own.slot
            if line.overdue(slot.since, tick()):
                self._shed(rpc, context)
            slot.rpc, slot.context = rpc, context
            try:
                try:
                    request = parse(next(requests))
                except (StopIteration, DecodeError):
                    self._unreadable(rpc, context)
                return behaviour(request, context)
            finally:
                slot.context = None

        return serve

    def refused(self, rpc: str) -> Callable[[Iterator[bytes], Context], Any]:
        """Make what a full line answers: at once, unread, on the thread that took the call in.

        That thread then rests: taking in and refusing costs half of what answering does, and could
        take all the time there is. What comes meanwhile waits within gRPC, or is dropped by it.
        """

        def refuse(unread: Iterator[bytes], context: Context) -> None:  # noqa: ARG001 - gRPC's
            context.add_callback(self._rest)
            self._shed(rpc, context)

        on_threads(self._at_once, refuse)
        return refuse

    def watch(self) -> None:
        """Begin to cut calls that last too long; gRPC itself would let them."""
        threading.Thread(target=self._watch, name="rpc-watch", daemon=True).start()

    def stop(self) -> None:
        self._stopping.set()
        self.threads.shutdown(wait=False)

    def _watch(self) -> None:
        while not self._stopping.wait(_EVERY):
            self.cut(self._tick())

    def cut(self, at: float) -> None:
        """End the calls that arrived so long before `at` that no wait of ours explains it.

        What a handler does goes on; its caller is told CANCELLED, and a message that never came is
        waited for no longer.
        """
        longest = self._settings.max_seconds + self._settings.max_queue_seconds + _GRACE
        for slot in list(self.threads.slots):
            # In this order: a thread that goes on to its next call meanwhile is not overdue.
            context, since = slot.context, slot.since
            if context is not None and at - since > longest:
                log.warning("call cut", rpc=slot.rpc, seconds=round(at - since, 3))
                context.cancel()

    def _too_many(self, wait: float) -> ResourceExhausted:
        rate = f"{self._settings.per_second:g}"
        return ResourceExhausted(
            ErrorReason.RATE_LIMITED,
            f"more than {rate} calls a second by one caller; try again in {wait:.3f} s",
            retry_after=wait,
            details={"rate": rate},
        )

    def _shed(self, rpc: str, context: Context) -> NoReturn:
        """Refuse at next to no cost: calls of the same second share one status, id and log line."""
        self._observed.mine.end((rpc, "RESOURCE_EXHAUSTED"), 0.0)
        with self._telling:
            self.shed += 1
            at = self._tick()
            if self._told is None or at - self._told[0] >= _EVERY:
                self._told = at, self._tell(rpc)
            status = self._told[1]
        context.abort_with_status(status)

    def _tell(self, rpc: str) -> grpc.Status:
        refusal = ResourceExhausted(
            ErrorReason.OVERLOADED,
            "more calls arrive than can be answered in time; try again in a second or two",
            retry_after=_RETRY_AFTER,
        )
        call_id = self._new_id()
        log.warning("calls are shed", rpc=rpc, call_id=call_id, shed_so_far=self.shed)
        return to_status(refusal, call_id)

    def _unreadable(self, rpc: str, context: Context) -> NoReturn:
        self._observed.mine.end((rpc, "INVALID_ARGUMENT"), 0.0)
        refusal = InvalidArgument(ErrorReason.INVALID_FIELD, f"no message that {rpc} can read came")
        context.abort_with_status(to_status(refusal, self._new_id()))


def on_threads(threads: futures.ThreadPoolExecutor, behaviour: object) -> None:
    """Have gRPC run a behaviour on threads other than the port's.

    Experimental in gRPC since 2019 and used by its own health service; a server that does not know
    it runs the behaviour on the port's threads.
    """
    vars(behaviour)["experimental_thread_pool"] = threads
