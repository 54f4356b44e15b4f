"""How often one caller may call: a bucket of tokens for each."""

import threading
from collections import Counter
from collections.abc import Hashable, Mapping
from typing import Final

from authz_service.domain.window import Instant

_MOST_CALLERS: Final = 10_000
_WHOLE: Final = 1 - 1e-6
"""A token but for rounding, so that who waited as long as it was told to is let through."""


class TokenBuckets:
    """A bucket for each caller, which holds what one second brings.

    A call passes while there is a whole token left, and may take more than there are: a batch of a
    thousand is let through, and the debt is waited off. Callers unseen for long are forgotten;
    a forgotten one starts with a full bucket.
    """

    def __init__(self, per_second: float, most: int = _MOST_CALLERS) -> None:
        self._rate = per_second / 1e6
        self._full = max(per_second, 1.0)
        self._most = most
        self._lock = threading.Lock()
        self._buckets: dict[Hashable, tuple[float, Instant]] = {}
        self._fresh: Counter[Hashable] = Counter()

    def __len__(self) -> int:
        return len(self._buckets)

    def take(self, caller: Hashable, tokens: int, at: Instant) -> float:
        """Take tokens and return 0, or take none and return the seconds until there is one."""
        with self._lock:
            remaining = self._remaining(caller, at)
            passes = remaining > _WHOLE
            self._keep(caller, remaining - max(tokens, 1) if passes else remaining, at)
            if passes:
                self._fresh[caller] += max(tokens, 1)
        return 0.0 if passes else (1 - remaining) / self._rate / 1e6

    def owe(self, caller: Hashable, tokens: int, at: Instant) -> None:
        """Take tokens whether or not there are so many."""
        with self._lock:
            self._keep(caller, self._remaining(caller, at) - tokens, at)
            self._fresh[caller] += tokens

    def fresh(self) -> dict[Hashable, int]:
        """Return what callers have spent here since the last time."""
        with self._lock:
            fresh, self._fresh = dict(self._fresh), Counter()
        return fresh

    def spent_elsewhere(self, spent: Mapping[str, int], at: Instant) -> None:
        """Take what callers have spent at another process of the same `serve`."""
        with self._lock:
            for caller, tokens in spent.items():
                self._keep(caller, self._remaining(caller, at) - tokens, at)

    def _remaining(self, caller: Hashable, at: Instant) -> float:
        remaining, before = self._buckets.pop(caller, (self._full, at))
        # A clock that was set back brings nothing, and takes nothing away.
        return min(self._full, remaining + max(0, at - before) * self._rate)

    def _keep(self, caller: Hashable, remaining: float, at: Instant) -> None:
        self._buckets[caller] = (remaining, at)
        if len(self._buckets) > self._most:
            del self._buckets[next(iter(self._buckets))]
