"""How many calls may be open at once, and who makes room when there are too many.

A call is open from its headers until its answer has left. While it waits for its peer, for a
message or for a reader, it is idle. Who opens more than its share loses the longest idle of its
own calls, so that a caller whose messages come is let in beside any number whose messages do not.
"""

import threading
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, Protocol

FRESH: Final = 1.0
"""Seconds for which an answer may be on its way without being taken for unread."""


class Open(Protocol):
    """An open call, as far as room is concerned."""

    @property
    def address(self) -> str: ...

    @property
    def since(self) -> float: ...


@dataclass(frozen=True, slots=True)
class RoomSettings:
    """Open calls of one caller, of one address, and those of one of them that are idle.

    An idle call lasts for `message_seconds` while its message is awaited, and for `reader_seconds`
    while its answer is.
    """

    per_caller: int = 1000
    per_address: int = 4000
    idle: int = 200
    message_seconds: float = 5.0
    reader_seconds: float = 10.0


class _Share:
    """The open calls of one caller or one address; the idle ones in the order they became so."""

    __slots__ = ("awaiting", "calls", "unread")

    def __init__(self) -> None:
        self.calls: set[Open] = set()
        self.awaiting: dict[Open, float] = {}
        self.unread: dict[Open, float] = {}


class Room:
    """Counts open calls by caller and by address. Its answers name calls that have to go."""

    def __init__(self, settings: RoomSettings) -> None:
        self.settings = settings
        self._lock = threading.Lock()
        self._shares: dict[str, _Share] = {}
        self._of: dict[Open, tuple[str, ...]] = {}

    def __len__(self) -> int:
        return len(self._of)

    def enter(self, call: Open) -> bool:
        """Count a call for its address; False if that has no room."""
        return self._join(call, f"@{call.address}", self.settings.per_address)

    def name(self, call: Open, caller: str) -> bool:
        """Count a call for its caller as well; False if that has no room."""
        return self._join(call, caller, self.settings.per_caller)

    def leave(self, call: Open) -> None:
        """Forget a call of which nothing is left."""
        with self._lock:
            for name in self._of.pop(call, ()):
                share = self._shares[name]
                share.calls.discard(call)
                share.awaiting.pop(call, None)
                share.unread.pop(call, None)
                if not share.calls:
                    del self._shares[name]

    def awaits(self, call: Open, at: float) -> list[Open]:
        """Take down that a call's message is awaited; return the calls that have to go for it."""
        with self._lock:
            gone: list[Open] = []
            for share in self._shares_of(call):
                share.awaiting[call] = at
                if len(share.awaiting) > self.settings.idle:
                    first = next(iter(share.awaiting))
                    self._answered(first, at)
                    gone.append(first)
            return gone

    def whole(self, call: Open) -> None:
        """Take down that a call's message came."""
        with self._lock:
            for share in self._shares_of(call):
                share.awaiting.pop(call, None)

    def answered(self, call: Open, at: float) -> list[Open]:
        """Take down that a call was answered; return older ones whose answers nobody reads."""
        with self._lock:
            self._answered(call, at)
            gone: list[Open] = []
            for share in self._shares_of(call):
                if len(share.unread) > self.settings.idle:
                    first, since = next(iter(share.unread.items()))
                    if at - since > FRESH:
                        self._read(first)
                        gone.append(first)
            return gone

    def overdue(self, at: float) -> tuple[list[Open], list[Open]]:
        """Return the calls whose message never came, and those whose answer nobody reads."""
        awaited, unread = self.settings.message_seconds, self.settings.reader_seconds
        with self._lock:
            shares = list(self._shares.values())
            late = {c: None for share in shares for c in _before(share.awaiting, at - awaited)}
            left = {c: None for share in shares for c in _before(share.unread, at - unread)}
            for call in late:
                self._answered(call, at)
            for call in left:
                self._read(call)
        return list(late), list(left)

    def _answered(self, call: Open, at: float) -> None:
        for share in self._shares_of(call):
            share.awaiting.pop(call, None)
            share.unread.pop(call, None)
            share.unread[call] = at

    def _read(self, call: Open) -> None:
        for share in self._shares_of(call):
            share.unread.pop(call, None)

    def _join(self, call: Open, name: str, most: int) -> bool:
        with self._lock:
            share = self._shares.get(name)
            if share is None:
                share = self._shares[name] = _Share()
            elif len(share.calls) >= most:
                return False
            share.calls.add(call)
            self._of[call] = (*self._of.get(call, ()), name)
            return True

    def _shares_of(self, call: Open) -> Iterator[_Share]:
        # A call that has ended meanwhile is in none.
        return (self._shares[name] for name in self._of.get(call, ()))


def _before(since: dict[Open, float], at: float) -> Iterator[Open]:
    """List those that are older than an instant; they are in order."""
    for call, began in since.items():
        if began > at:
            return
        yield call
