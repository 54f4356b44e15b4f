"""What the processes of one `serve` have counted, and a place in memory that outlives each.

A process that is started again goes on counting from where its predecessor was, so no counter of
the whole ever falls.
"""

import json
import mmap
import struct
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import reduce
from typing import Final
from zlib import crc32

from authz_service.serving.call_stats import Ended, Observation

Counts = Mapping[str, Mapping[str, int]]
"""What was counted, by label."""

_SIZE: Final = 512 * 1024
_HEAD: Final = struct.Struct("!QII")
"""Which version, how long, and its checksum."""


@dataclass(frozen=True, slots=True)
class Figures:
    """The calls of a port, what else was counted, and how those who count stand now."""

    decisions: Mapping[str, int] = field(default_factory=dict)
    times: Mapping[Ended, tuple[list[int], float]] = field(default_factory=dict)
    counts: Counts = field(default_factory=dict)
    running: int = 0
    waiting: int = 0
    revision: int = 0
    age: float = 0.0
    clock_offset: float = 0.0
    database_up: bool = True
    connections: int = 0

    def on_top_of(self, before: "Figures") -> "Figures":
        """Give what was counted here and before; how things stand is as it is here."""
        return replace(
            self,
            decisions=_sum(self.decisions, before.decisions),
            times=_sum_times(self.times, before.times),
            counts={
                name: _sum(self.counts.get(name, {}), before.counts.get(name, {}))
                for name in {**self.counts, **before.counts}
            },
        )


def total(all_figures: Iterable[Figures]) -> Figures:
    """Sum up the figures of several processes: the oldest answer counts, and the worst health."""
    return reduce(_together, all_figures, None) or Figures()


def of_port(observed: Observation, waiting: int, counts: Counts) -> Figures:
    """Read what the calls of a port have come to."""
    return Figures(observed.decisions(), observed.times(), counts, observed.running(), waiting)


class Board:
    """Places in memory that every process forked from here on shares, one for each process.

    INVARIANT: a place is written by one process at a time. Who reads sees the last figures that
    were written whole.
    """

    def __init__(self, places: int) -> None:
        self._memory = mmap.mmap(-1, places * 2 * _SIZE)

    def write(self, place: int, figures: Figures) -> None:
        """Write over the older of the two versions that a place holds."""
        versions = [self._version(place, half) for half in (0, 1)]
        half = versions.index(min(versions))
        content = _to_json(figures)
        if len(content) > _SIZE - _HEAD.size:
            raise ValueError(f"{len(content)} bytes of figures do not fit")
        at = self._start(place, half)
        self._memory[at : at + _HEAD.size] = bytes(_HEAD.size)
        self._memory[at + _HEAD.size : at + _HEAD.size + len(content)] = content
        head = _HEAD.pack(max(versions) + 1, len(content), crc32(content))
        self._memory[at : at + _HEAD.size] = head

    def read(self, place: int) -> Figures | None:
        """Read the newest version that is whole; None if nobody has written here."""
        for half in sorted((0, 1), key=lambda half: -self._version(place, half)):
            at = self._start(place, half)
            _, length, checksum = _HEAD.unpack(self._memory[at : at + _HEAD.size])
            content = self._memory[at + _HEAD.size : at + _HEAD.size + length]
            if length and crc32(content) == checksum:
                return _from_json(content)
        return None

    def read_all(self, places: Iterable[int]) -> Figures:
        """Sum up what was written at several places."""
        return total(filter(None, map(self.read, places)))

    def _version(self, place: int, half: int) -> int:
        at = self._start(place, half)
        version: int = _HEAD.unpack(self._memory[at : at + _HEAD.size])[0]
        return version

    @staticmethod
    def _start(place: int, half: int) -> int:
        return (2 * place + half) * _SIZE


class Tally:
    """The figures of one process at its place on the board."""

    def __init__(self, board: Board, place: int, current: Callable[[], Figures]) -> None:
        self._board = board
        self._place = place
        self._current = current
        self._before = board.read(place) or Figures()

    def save(self) -> None:
        self._board.write(self._place, self.figures())

    def figures(self) -> Figures:
        """Give what was counted here and by all that had this place before."""
        return self._current().on_top_of(self._before)


def _together(one: Figures | None, other: Figures) -> Figures:
    if one is None:
        return other
    return replace(
        one.on_top_of(other),
        running=one.running + other.running,
        waiting=one.waiting + other.waiting,
        revision=min(one.revision, other.revision),
        age=max(one.age, other.age),
        clock_offset=max(one.clock_offset, other.clock_offset, key=abs),
        database_up=one.database_up and other.database_up,
        connections=one.connections + other.connections,
    )


def _sum(one: Mapping[str, int], other: Mapping[str, int]) -> dict[str, int]:
    return {name: one.get(name, 0) + other.get(name, 0) for name in {**one, **other}}


def _sum_times(
    one: Mapping[Ended, tuple[list[int], float]], other: Mapping[Ended, tuple[list[int], float]]
) -> dict[Ended, tuple[list[int], float]]:
    summed = dict(one)
    for ended, (buckets, seconds) in other.items():
        mine, mine_seconds = summed.get(ended, ([0] * len(buckets), 0.0))
        summed[ended] = [a + b for a, b in zip(mine, buckets, strict=True)], mine_seconds + seconds
    return summed


def _to_json(figures: Figures) -> bytes:
    names = Figures.__slots__
    values = {name: getattr(figures, name) for name in names}
    values["times"] = [[*ended, *times] for ended, times in figures.times.items()]
    return json.dumps(values).encode()


def _from_json(content: bytes) -> Figures:
    values = json.loads(content)
    times = {(rpc, code): (buckets, seconds) for rpc, code, buckets, seconds in values.pop("times")}
    return Figures(times=times, **values)
