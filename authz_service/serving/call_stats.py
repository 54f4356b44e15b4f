"""What the calls of a port come to: counted where they end, read when somebody asks.

Each thread counts for itself, so that a check takes no lock: a locked counter costs as much as the
decision. Nothing here knows who publishes the figures.
"""

import threading
from bisect import bisect_left
from collections.abc import Callable, Sequence
from typing import Final, NamedTuple, TypeAlias

from authz_service.domain.decision import DecisionReason

BOUNDS: Final = (
    0.00001, 0.000025, 0.00005, 0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005,
    0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0,
)  # fmt: skip
"""Upper bounds of the latency histograms, in seconds: a check takes 10 us, a change a millisecond,
a wait for a revision up to its deadline."""

DENIED: Final = "DENIED"
"""Stands for the reason where a caller only asked for yes or no (CheckPermissions)."""

_REASONS: Final = (DENIED, *(reason.name for reason in DecisionReason))

Ended: TypeAlias = tuple[str, str]
"""A method, `RoleService.GetRole`, and the name of the gRPC code that the call ended with."""


class Ending(NamedTuple):
    """One call that ended, as logs and traces tell it: never what it asked, nor about whom.

    `reason` names the decision's reason or the refusal's, "" for neither. `caller` is "" if none
    was made out. `metadata` is the call's own and holds its credential.
    """

    rpc: str
    code: str
    reason: str
    revision: int
    caller: str
    call_id: str
    request_id: str
    seconds: float
    metadata: Sequence[tuple[str, str | bytes]]


class Times:
    """How long the calls took that ended in one way."""

    __slots__ = ("buckets", "seconds")

    def __init__(self) -> None:
        self.buckets = [0] * (len(BOUNDS) + 1)
        self.seconds = 0.0

    def add(self, seconds: float) -> None:
        self.buckets[bisect_left(BOUNDS, seconds)] += 1
        self.seconds += seconds


class Tally:
    """What one thread has counted, and who calls in the call that it serves now.

    INVARIANT: no other thread writes to it; they read, and may see a call's figures in part.
    """

    __slots__ = ("caller", "decisions", "running", "times")

    def __init__(self) -> None:
        self.caller = ""
        self.running = False
        self.decisions = [0] * len(_REASONS)
        self.times: dict[Ended, Times] = {}

    def decide(self, reason: DecisionReason) -> None:
        self.decisions[reason] += 1

    def decide_all(self, reasons: Sequence[DecisionReason]) -> None:
        decisions = self.decisions
        for reason in reasons:
            decisions[reason] += 1

    def answer_all(self, answers: Sequence[bool]) -> None:
        """Count answers whose reasons nobody asked for."""
        allowed = answers.count(True)
        self.decisions[DecisionReason.ALLOWED] += allowed
        self.decisions[0] += len(answers) - allowed

    def end(self, ended: Ended, seconds: float) -> None:
        times = self.times.get(ended)
        if times is None:
            times = self.times[ended] = Times()
        times.add(seconds)
        self.running = False


class _Own(threading.local):
    """Hands each thread a tally of its own, which outlives the thread."""

    def __init__(self, register: Callable[[Tally], None]) -> None:
        self.tally = Tally()
        register(self.tally)


class Observation:
    """The calls of one port.

    `verbose` asks for a log line for every call, not only for changes; `trace` is handed every
    call's ending, `note` every caller that is let in.
    """

    def __init__(
        self,
        port: str,
        *,
        verbose: bool = False,
        trace: Callable[[Ending], None] | None = None,
        note: Callable[[str], None] | None = None,
    ) -> None:
        self.port = port
        self._note = note
        self.verbose = verbose
        self.trace = trace
        self._tallies: list[Tally] = []
        self._own = _Own(self._tallies.append)

    @property
    def mine(self) -> Tally:
        """The tally of the thread that asks."""
        return self._own.tally

    def let_in(self, caller: str) -> None:
        """Take down who makes the call that this thread serves."""
        self._own.tally.caller = caller
        if self._note is not None:
            self._note(caller)

    def decisions(self) -> dict[str, int]:
        """Count the decisions so far by reason; reasons that never came are 0."""
        columns = zip(*[tally.decisions for tally in [Tally(), *self._tallies]], strict=True)
        return dict(zip(_REASONS, map(sum, columns), strict=True))

    def times(self) -> dict[Ended, tuple[list[int], float]]:
        """Count the calls so far by how they ended: how many took up to each of `BOUNDS`, each
        counted once, with one number more for those beyond; and the seconds of all.
        """
        totals: dict[Ended, tuple[list[int], float]] = {}
        for tally in list(self._tallies):
            for ended, times in dict(tally.times).items():
                buckets, seconds = totals.get(ended, ([0] * len(times.buckets), 0.0))
                added = [a + b for a, b in zip(buckets, times.buckets, strict=True)]
                totals[ended] = added, seconds + times.seconds
        return totals

    def running(self) -> int:
        """Count the calls that are being served now."""
        return sum(tally.running for tally in list(self._tallies))
