"""Changes take turns, those that take access away before the others."""

import threading
from functools import partial

import pytest

from authz_service.errors import ErrorReason, Unavailable
from authz_service.store.turn import Turn
from tests.conformance.outages import eventually


def waiting(turn: Turn) -> int:
    return len(turn._first) + len(turn._others)


def test_what_takes_access_away_goes_first_and_else_who_came_first() -> None:
    turn = Turn()
    order: list[str] = []
    threads: list[threading.Thread] = []

    def wait(name: str, *, first: bool) -> None:
        with turn.next(20, first=first):
            order.append(name)

    with turn.next(1):
        for name, first in (("a", False), ("b", False), ("x", True), ("c", False), ("y", True)):
            threads.append(threading.Thread(target=partial(wait, name, first=first)))
            threads[-1].start()
            eventually(lambda: waiting(turn) == len(threads), "in line")
    for thread in threads:
        thread.join()
    assert order == ["x", "y", "a", "b", "c"]


def test_who_waits_too_long_leaves_the_line() -> None:
    turn = Turn()
    with turn.next(1):
        with pytest.raises(Unavailable) as refused, turn.next(0.01):
            raise AssertionError("two at once")
        assert waiting(turn) == 0
    assert refused.value.reason is ErrorReason.DATABASE_UNAVAILABLE
    with turn.next(0.01):
        pass


def test_turn_goes_on_after_one_that_failed() -> None:
    turn = Turn()
    with pytest.raises(ZeroDivisionError), turn.next(1):
        raise ZeroDivisionError
    with turn.next(0.01):
        pass
