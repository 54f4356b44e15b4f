"""Sweeps: tests that try every one of many, such as each RPC with each kind of caller.

`make sweep` runs them whole. `make test` runs one share in `SHARES` of each, chosen by the number
in `AUTHZ_SWEEP`, which the Makefile takes from the history: every change tries another share, and
the same number tries the same one again. Without that variable, as in a run of one file, all run.
"""

import os
from collections.abc import Iterable
from typing import Final, TypeVar
from zlib import crc32

import pytest

SHARES: Final = 4

T = TypeVar("T")


def share() -> int | None:
    """Tell which share this run is to try, counted from 0; None for all."""
    number = os.environ.get("AUTHZ_SWEEP", "")
    return int(number) % SHARES if number else None


def chosen(name: str) -> bool:
    """Tell whether what bears a name is in the share; of thousands of names, about one in four."""
    return share() in (None, crc32(name.encode()) % SHARES)


def share_of(cases: Iterable[T]) -> list[T]:
    """List the cases in the share, for a test that tries them all itself."""
    return [case for case in cases if chosen(repr(case))]


def split(items: Iterable[pytest.Item]) -> tuple[list[pytest.Item], list[pytest.Item]]:
    """Split tests into those that this run is to try, and the rest of the sweeps."""
    tried: list[pytest.Item] = []
    left: list[pytest.Item] = []
    for item in items:
        is_tried = item.get_closest_marker("sweep") is None or chosen(item.nodeid)
        (tried if is_tried else left).append(item)
    return tried, left


def described() -> str:
    """Say which share was tried, and how to try it again."""
    number = share()
    if number is None:
        return "sweeps: all"
    told = f"AUTHZ_SWEEP={os.environ['AUTHZ_SWEEP']}"
    return f"sweeps: share {number + 1} of {SHARES} ({told}; `make sweep` tries all)"
