"""The line of calls before a port's threads, and how long a call may stand in it.

A line that does not empty is kept short by the age of its first call, after CoDel (RFC 8289): that
bounds the wait at whatever rate calls are served, and lets a burst pass. A length alone does not:
what refuses calls takes time from what answers, and 1,024 in line were 0.7 s at three times
capacity. Once calls have to be refused the line is kept much shorter for a spell, as the wait
helps nobody; spells that follow on each other grow, so that a hiccup is soon over and an overload
is rarely tried again.

Callers take turns. Who has fewer calls in line than its share is never turned away for those of
others, and waits behind one call of each of them, not behind all.
"""

import threading
from collections import OrderedDict, deque
from collections.abc import Callable
from queue import SimpleQueue
from typing import Final, TypeAlias

import grpc
import structlog

log = structlog.get_logger()

BURST: Final = 0.1
"""Seconds in which a line may be as long as it likes: what is over by then was no overload."""
SHORT: Final = 0.005
"""Seconds that a call may wait in a line which is kept short."""
LONGEST_SPELL: Final = 5.0
_LEAST: Final = 4
"""Calls that may wait in any line: enough that no thread stands idle until the next arrives."""


class Slot:
    """What a thread does: whose call, and when that came. `context` is None between calls."""

    __slots__ = ("caller", "context", "rpc", "since")

    def __init__(self) -> None:
        self.since, self.caller, self.rpc = 0.0, "", ""
        self.context: grpc.ServicerContext | None = None


class Arrival:
    """When a call joined a line, and whether it has left.

    It does not refer to the call itself: whatever does keeps the call's stream open, of which a
    connection has a bounded number.
    """

    __slots__ = ("at", "left")

    def __init__(self, at: float) -> None:
        self.at = at
        self.left = False


Serve: TypeAlias = Callable[[bool], None]
"""Serves a call; True says that it waited too long, and is to be refused."""


class Line:
    """The calls that wait for a thread, each caller's in the order in which they came.

    `longest` bounds the wait in seconds, `standing` that in a line which for `BURST` has not been
    empty, or not without turning calls away.
    """

    def __init__(
        self, most: int, longest: float, current: float, tick: Callable[[], float]
    ) -> None:
        self._most, self._longest, self._standing = most, longest, current
        self._tick = tick
        self._waiting: OrderedDict[str, deque[tuple[Arrival, Serve]]] = OrderedDict()
        self._arrived: deque[Arrival] = deque()
        self._length = 0
        self._emptied, self._refused = tick(), float("-inf")
        self._spell, self._short_until = BURST, float("-inf")
        self._pace, self._answered, self._counted = most, 0, self._emptied

    def __len__(self) -> int:
        return self._length

    def join(self, caller: str, serve: Serve) -> None:
        at = self._tick()
        if not self._length:
            self._arrived.clear()
            if at - self._refused > BURST:
                self._emptied = self._counted = at
                self._pace, self._answered = self._most, 0
        arrival = Arrival(at)
        self._waiting.setdefault(caller, deque()).append((arrival, serve))
        self._arrived.append(arrival)
        self._length += 1

    def leave(self, may: Callable[[str], bool]) -> tuple[str, float, Serve] | None:
        """Take out the first call of the caller whose turn it is, of those that `may` be served."""
        caller = next(filter(may, self._waiting), None)
        if caller is None:
            return None
        calls = self._waiting[caller]
        arrival, serve = calls.popleft()
        arrival.left = True
        self._length -= 1
        if calls:
            self._waiting.move_to_end(caller)
        else:
            del self._waiting[caller]
        return caller, arrival.at, serve

    def full(self, caller: str, at: float) -> bool:
        """Tell whether a call that arrives now would wait too long, and is turned away."""
        if not self._length:
            return False
        arrived = self._arrived
        while arrived[0].left:
            arrived.popleft()
        oldest = arrived[0].at
        crowded = self._length >= self._longest_now(at) or self._late(oldest, at, 1)
        full = crowded and not self._within_share(caller)
        if full:
            self._refuse(at)
        return full

    def _within_share(self, caller: str) -> bool:
        """Tell whether a caller has fewer calls in line than each would have at equal parts."""
        own = len(self._waiting.get(caller, ()))
        callers = len(self._waiting) + (not own)
        return callers > 1 and own < self._length / callers

    def _longest_now(self, at: float) -> int:
        """Count how many may wait: in a standing line, what was answered in `standing` lately."""
        if self._standing < self._longest and at - self._emptied > BURST:
            answered = self._pace * self._bound(at) / self._standing
            return min(max(int(answered), _LEAST), self._most)
        return self._most

    def _refuse(self, at: float) -> None:
        """Keep the line short from here on, twice as long if it has just been."""
        self._refused = at
        if at > self._short_until:
            again = at - self._short_until < BURST
            self._spell = min(2 * self._spell, LONGEST_SPELL) if again else BURST
            self._short_until = at + self._spell

    def _bound(self, at: float) -> float:
        """Give the seconds that the first in a standing line may have waited."""
        if at > self._short_until:
            return self._standing
        least = _LEAST * self._standing / max(self._pace, _LEAST)
        return min(max(SHORT, least), self._standing)

    def overdue(self, since: float, at: float) -> bool:
        """Tell whether a call whose turn has come has waited too long, and is turned away.

        In a standing line that is twice what refuses the next arrival: it is for those in it
        when the burst turns out to be none.
        """
        late = self._late(since, at, 2)
        if late:
            self._refuse(at)
        else:
            self._count(at)
        return late

    def _count(self, at: float) -> None:
        """Count a call that is answered; two threads that count at once may lose one."""
        self._answered += 1
        if at - self._counted > self._standing:
            self._pace = int(self._answered * self._standing / (at - self._counted))
            self._answered, self._counted = 0, at

    def _late(self, since: float, at: float, times: int) -> bool:
        longest = self._longest
        if at - self._emptied > BURST:
            longest = min(times * self._bound(at), longest)
        return at - since > longest


class Workers:
    """The threads of a port. One caller's calls never take all of them."""

    def __init__(self, threads: int, line: Line, tick: Callable[[], float]) -> None:
        self.slots = [Slot() for _ in range(threads)]
        self.own = _Own()
        self._line, self._tick = line, tick
        self._lock = threading.Lock()
        self._turns: SimpleQueue[bool] = SimpleQueue()
        self._withheld = 0
        self._most = max(1, threads - threads // 4)
        self._running: dict[str, int] = {}
        self._threads = [
            threading.Thread(target=self._work, args=(slot,), name=f"rpc-{number}", daemon=True)
            for number, slot in enumerate(self.slots)
        ]

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        for _ in self._threads:
            self._turns.put(False)

    def full(self, caller: str) -> bool:
        """Tell whether a call of this caller that arrives now is to be turned away."""
        with self._lock:
            return self._line.full(caller, self._tick())

    def serve(self, caller: str, serve: Serve) -> bool:
        """Have a call served when its turn comes; False if the line is full."""
        with self._lock:
            if self._line.full(caller, self._tick()):
                return False
            self._line.join(caller, serve)
        self._turns.put(True)
        return True

    def _work(self, slot: Slot) -> None:
        self.own.slot = slot
        while self._turns.get():
            self._serve_next(slot)

    def _serve_next(self, slot: Slot) -> None:
        with self._lock:
            call = self._line.leave(self._may)
            if call is None:
                self._withheld += 1  # until another call of its caller has ended
                return
            caller, since, serve = call
            self._running[caller] = self._running.get(caller, 0) + 1
            overdue = self._line.overdue(since, self._tick())
        slot.since, slot.caller = since, caller
        try:
            serve(overdue)
        except Exception as error:  # the thread has other calls to serve
            log.error("call not served", exc_info=error)
        finally:
            slot.context = None
            self._done(caller)

    def _may(self, caller: str) -> bool:
        return self._running.get(caller, 0) < self._most

    def _done(self, caller: str) -> None:
        with self._lock:
            running = self._running.pop(caller) - 1
            if running:
                self._running[caller] = running
            again, self._withheld = self._withheld > 0, max(0, self._withheld - 1)
        if again:
            self._turns.put(True)


class _Own(threading.local):
    """The slot of the thread that asks."""

    slot: Slot
