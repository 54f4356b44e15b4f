"""Sweeps: tests that try every one of many, such as each RPC with each kind of caller.

`make sweep` runs them whole. `make test` runs one share in `SHARES` of each, chosen by the number
in `AUTHZ_SWEEP`, which the Makefile takes from the history: every change tries another share, and
the same number tries the same one again. Without that variable, as in a run of one file, all run.
"""

import os
from collections import defaultdict
from collections.abc import Callable, Iterable
from typing import Final, TypeVar
from zlib import crc32

import pytest

SHARES: Final = 4

T = TypeVar("T")


def share() -> int | None:
    """Tell which share this run is to try, counted from 0; None for all."""
    number = os.environ.get("AUTHZ_SWEEP", "")
    return int(number) % SHARES if number else None


def share_of(cases: Iterable[T], name: Callable[[T], str] = repr) -> list[T]:
    """List the cases in the share: one in four, mixed by name, at least one of four or more."""
    found, number = list(cases), share()
    if number is None:
        return found
    mixed = sorted(range(len(found)), key=lambda at: crc32(name(found[at]).encode()))
    return [found[at] for at in sorted(mixed[number::SHARES])]


def split(items: Iterable[pytest.Item]) -> tuple[list[pytest.Item], list[pytest.Item]]:
    """Split tests into those that this run is to try, and the rest of the sweeps."""
    items = list(items)
    sweeps: defaultdict[str, list[pytest.Item]] = defaultdict(list)
    for item in items:
        if item.get_closest_marker("sweep") is not None:
            sweeps[item.nodeid.partition("[")[0]].append(item)
    shares = (share_of(sweep, lambda item: item.nodeid) for sweep in sweeps.values())
    tried = {item.nodeid for mine in shares for item in mine}
    left = {item.nodeid for sweep in sweeps.values() for item in sweep} - tried
    return (
        [item for item in items if item.nodeid not in left],
        [item for item in items if item.nodeid in left],
    )


def described() -> str:
    """Say which share was tried, and how to try it again."""
    number = share()
    if number is None:
        return "sweeps: all"
    told = f"AUTHZ_SWEEP={os.environ['AUTHZ_SWEEP']}"
    return f"sweeps: share {number + 1} of {SHARES} ({told}; `make sweep` tries all)"
