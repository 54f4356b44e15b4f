"""The line of calls before a port's threads, and how long a call may stand in it.

A line that does not empty is kept short by the age of its first call, after CoDel (RFC 8289): that
bounds the wait at whatever rate calls are served, and lets a burst pass. A length alone does not:
what refuses calls takes time from what answers, and 1,024 in line were 0.7 s at three times
capacity. Once calls have to be refused the line is kept much shorter for a spell, as the wait
helps nobody; spells that follow on each other grow, so that a hiccup is soon over and an overload
is rarely tried again.
"""

import threading
from collections import deque
from collections.abc import Callable
from concurrent import futures
from typing import Any, Final, ParamSpec, TypeVar

import grpc

P = ParamSpec("P")
T = TypeVar("T")

BURST: Final = 0.1
"""Seconds in which a line may be as long as it likes: what is over by then was no overload."""
SHORT: Final = 0.005
"""Seconds that a call may wait in a line which is kept short."""
LONGEST_SPELL: Final = 5.0
_LEAST: Final = 4
"""Calls that may wait in any line: enough that no thread stands idle until the next arrives."""


class Slot:
    """What a thread does: a call, and when that arrived. `context` is None between calls."""

    __slots__ = ("context", "rpc", "since")

    def __init__(self) -> None:
        self.since, self.rpc = 0.0, ""
        self.context: grpc.ServicerContext | None = None


class _Own(threading.local):
    """Hands each thread a slot of its own."""

    def __init__(self, register: Callable[[Slot], None]) -> None:
        self.slot = Slot()
        register(self.slot)


class Line:
    """When each of the calls arrived that wait for a thread, the longest waiting first.

    `longest` bounds the wait in seconds, `standing` that in a line which for `BURST` has not been
    empty, or not without turning calls away.
    """

    def __init__(
        self, most: int, longest: float, current: float, tick: Callable[[], float]
    ) -> None:
        self._most, self._longest, self._standing = most, longest, current
        self._tick = tick
        self._waiting: deque[float] = deque()
        self._emptied, self._refused = tick(), float("-inf")
        self._spell, self._short_until = BURST, float("-inf")
        self._pace, self._answered, self._counted = most, 0, self._emptied

    def __len__(self) -> int:
        return len(self._waiting)

    def join(self) -> None:
        at = self._tick()
        if not self._waiting and at - self._refused > BURST:
            self._emptied = self._counted = at
            self._pace, self._answered = self._most, 0
        self._waiting.append(at)

    def leave(self) -> float:
        """Take the first call out and return when it arrived."""
        return self._waiting.popleft()

    def full(self, at: float) -> bool:
        """Tell whether a call that arrives now would wait too long, and is turned away."""
        try:
            full = len(self._waiting) >= self._longest_now(at) or self._late(
                self._waiting[0], at, 1
            )
        except IndexError:  # nobody waits, or no longer
            return False
        if full:
            self._refuse(at)
        return full

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


class Threads(futures.ThreadPoolExecutor):
    """The threads of a port. `own.slot` is the asking thread's, `slots` are those of all."""

    def __init__(self, threads: int, line: Line) -> None:
        super().__init__(threads, thread_name_prefix="rpc")
        self._line = line
        self.slots: list[Slot] = []
        self.own = _Own(self.slots.append)

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> futures.Future[T]:
        self._line.join()
        return super().submit(self._begin, fn, *args, **kwargs)

    def _begin(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
        # Line and queue are both first in, first out: threads that pass each other here swap
        # places that were microseconds apart.
        self.own.slot.since = self._line.leave()
        return fn(*args, **kwargs)


class AtOnce(futures.ThreadPoolExecutor):
    """Runs what it is given on the thread that gives it: good for what never waits."""

    def __init__(self) -> None:
        super().__init__(1)
        self._done: futures.Future[Any] = futures.Future()
        self._done.set_result(None)

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> futures.Future[T]:
        fn(*args, **kwargs)
        return self._done
