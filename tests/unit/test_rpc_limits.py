"""Token buckets and the line for a thread, with clocks that move when they are told to."""

import threading

import pytest

from authz_service.rpc.admission_queue import BURST, LONGEST_SPELL, SHORT, Line
from authz_service.serving.rate_limits import TokenBuckets

SECOND = 1_000_000


def test_caller_may_spend_what_a_second_brings_and_then_waits_for_the_next_token() -> None:
    buckets = TokenBuckets(4)
    assert [buckets.take(1, 1, 0) for _ in range(5)] == [0, 0, 0, 0, 0.25]
    assert buckets.take(1, 1, SECOND // 8) == pytest.approx(0.125)
    assert buckets.take(1, 1, SECOND // 4) == 0
    assert buckets.take(1, 1, SECOND // 4) == pytest.approx(0.25)


def test_refused_call_costs_nothing() -> None:
    buckets = TokenBuckets(1)
    buckets.take(1, 1, 0)
    assert all(buckets.take(1, 1, 0) for _ in range(100))
    assert buckets.take(1, 1, SECOND) == 0


def test_bucket_never_holds_more_than_a_second_brings() -> None:
    buckets = TokenBuckets(2)
    buckets.take(1, 1, 0)
    assert [bool(buckets.take(1, 1, 3600 * SECOND)) for _ in range(3)] == [False, False, True]


def test_batch_is_let_through_and_its_debt_waited_off() -> None:
    buckets = TokenBuckets(10)
    assert buckets.take(1, 1000, 0) == 0
    assert buckets.take(1, 1, 0) == pytest.approx(99.1)
    assert buckets.take(1, 1, 99 * SECOND) > 0
    assert buckets.take(1, 1, 99 * SECOND + SECOND // 10) == 0


def test_empty_batch_costs_as_much_as_one_call() -> None:
    buckets = TokenBuckets(1)
    assert buckets.take(1, 0, 0) == 0
    assert buckets.take(1, 0, 0) == 1


def test_rate_below_one_lets_one_call_through_at_a_time() -> None:
    buckets = TokenBuckets(0.5)
    assert [buckets.take(1, 1, at * SECOND) for at in (0, 1, 2)] == [0, 1, 0]


def test_callers_do_not_share_a_bucket() -> None:
    buckets = TokenBuckets(1)
    assert [buckets.take(caller, 1, 0) for caller in (1, 2, 1, 2)] == [0, 0, 1, 1]


def test_clock_that_is_set_back_gives_nothing_and_holds_nobody_up_for_long() -> None:
    buckets = TokenBuckets(1)
    buckets.take(1, 1, 3600 * SECOND)
    assert buckets.take(1, 1, 0) == 1
    assert buckets.take(1, 1, SECOND) == 0


def test_only_so_many_callers_are_remembered_and_the_longest_unseen_is_forgotten() -> None:
    buckets = TokenBuckets(1, most=3)
    for caller in (1, 2, 3, 1, 4):
        buckets.take(caller, 1, 0)
    assert len(buckets) == 3
    assert buckets.take(1, 1, 0) > 0
    assert buckets.take(2, 1, 0) == 0


def test_threads_that_spend_at_once_spend_no_more_than_there_is() -> None:
    buckets, passed = TokenBuckets(100), list[int]()

    def spend() -> None:
        passed.extend(1 for _ in range(100) if not buckets.take(1, 1, 0))

    spending = [threading.Thread(target=spend) for _ in range(8)]
    for each in spending:
        each.start()
    for each in spending:
        each.join()
    assert len(passed) == 100


def served(_overdue: bool) -> None:
    """Serve a call."""


def leave(line: Line) -> float:
    """Take the next call out of a line and return since when it waited."""
    call = line.leave(lambda _: True)
    assert call is not None
    return call[1]


class Standing:
    """A line whose calls may wait for 20 ms, or for a second in a burst; and its clock."""

    def __init__(self) -> None:
        self.tick = 100.0
        self.line = Line(1000, 1.0, 0.02, lambda: self.tick)

    def arrive(self, *after: float) -> list[bool]:
        """Let calls arrive so many seconds apart; tell which of them were turned away."""
        return [self._arrives(each) for each in after]

    def _arrives(self, after: float) -> bool:
        self.tick += after
        full = self.line.full("one", self.tick)
        if not full:
            self.line.join("one", served)
        return full


def test_burst_may_wait_longer_than_a_standing_line() -> None:
    at = Standing()
    assert at.arrive(*[0.001] * 90) == [False] * 90
    at.tick += 0.005
    assert not at.line.overdue(leave(at.line), at.tick)


def test_line_that_does_not_empty_refuses_once_its_first_call_is_too_old() -> None:
    at = Standing()
    assert at.arrive(0, BURST, 0.001) == [False, False, True]
    leave(at.line)
    assert at.arrive(0.003, 0.002) == [False, True]


def test_line_that_emptied_is_a_burst_again() -> None:
    at = Standing()
    at.arrive(0, 0.05)
    while len(at.line):
        leave(at.line)
    assert at.arrive(BURST, 0.05) == [False, False]


def test_line_that_emptied_by_turning_calls_away_is_not_yet() -> None:
    at = Standing()
    assert at.arrive(0, BURST, 0.001) == [False, False, True]
    while len(at.line):
        leave(at.line)
    assert at.arrive(0.001, 0.021) == [False, True]
    while len(at.line):
        leave(at.line)
    assert at.arrive(BURST + 0.001, 0.05) == [False, False]


def refuses_after(at: Standing, spell: float) -> bool:
    """Tell whether a call is refused behind one that waits longer than in a line kept short."""
    at.tick += spell
    at.line.join("one", served)
    while len(at.line) > 1:  # it is never empty
        leave(at.line)
    return at.arrive(2 * SHORT) == [True]


def test_line_that_had_to_refuse_is_kept_short_for_a_spell() -> None:
    at = Standing()
    assert at.arrive(0, BURST, 0.001) == [False, False, True]
    assert refuses_after(at, 0)
    assert refuses_after(at, BURST / 2)
    assert not refuses_after(at, BURST / 2)


def test_spells_that_follow_on_each_other_grow() -> None:
    at = Standing()
    at.arrive(0, BURST, 0.001)
    for spell in (BURST, 2 * BURST, 4 * BURST, *[LONGEST_SPELL] * 6):
        assert refuses_after(at, 0)
        assert not refuses_after(at, spell)
        assert at.arrive(0.02) == [True]  # it stands still: another spell


def test_line_that_stood_long_after_a_spell_starts_with_a_short_one() -> None:
    at = Standing()
    at.arrive(0, BURST, 0.001)
    assert not refuses_after(at, BURST)
    at.tick += BURST
    assert at.arrive(0.02) == [True]
    assert refuses_after(at, 0)
    assert not refuses_after(at, BURST)


def test_calls_that_waited_twice_as_long_in_a_standing_line_are_shed_unserved() -> None:
    at = Standing()
    at.arrive(0, BURST)
    leave(at.line)
    since = leave(at.line)
    assert not at.line.overdue(since, at.tick + 0.039)
    assert at.line.overdue(since, at.tick + 0.041)


@pytest.mark.parametrize("slowness", [0.0005, 0.005])
def test_wait_in_a_standing_line_is_bounded_at_whatever_rate_calls_are_served(
    slowness: float,
) -> None:
    at, waits, free = Standing(), list[float](), 100.0
    for _ in range(int(3 / slowness)):  # calls come three times as fast as they are served
        at.arrive(slowness / 3)
        while at.tick >= free and len(at.line):
            since = leave(at.line)
            if at.line.overdue(since, at.tick):
                free = at.tick + slowness / 2  # to shed a call whose turn has come costs as well
            else:
                free = at.tick + slowness
                waits.append(at.tick - since if at.tick > 100 + 3 * BURST else 0)
    assert max(waits) <= 0.04
    assert len(waits) > 0.8 / slowness  # of a second: little time goes into calls not answered


def test_caller_within_its_share_is_not_turned_away_for_anothers_calls() -> None:
    at = Standing()
    assert at.arrive(0, BURST, 0.001)[-1]
    assert not at.line.full("other", at.tick)
    at.line.join("other", served)
    assert at.line.full("one", at.tick)
    leave(at.line)
    assert leave(at.line) == at.tick  # the other's, whose turn it is


def test_callers_take_turns() -> None:
    line = Line(1000, 1.0, 0.1, lambda: 0.0)
    for caller in ("a", "a", "a", "b", "c", "b"):
        line.join(caller, served)
    calls = [line.leave(lambda _: True) for _ in range(6)]
    assert [call[0] for call in calls if call] == ["a", "b", "c", "a", "b", "a"]
    assert line.leave(lambda _: True) is None


def test_caller_that_may_not_be_served_lets_others_pass() -> None:
    line = Line(1000, 1.0, 0.1, lambda: 0.0)
    line.join("a", served)
    line.join("b", served)
    first = line.leave(lambda caller: caller != "a")
    assert first is not None
    assert first[0] == "b"
    assert line.leave(lambda caller: caller != "a") is None
    assert len(line) == 1


def test_what_is_spent_elsewhere_is_spent_here_as_well_and_told_once() -> None:
    here, there = TokenBuckets(10), TokenBuckets(10)
    here.take("one", 1, 0)
    here.owe("one", 8, 0)
    assert here.take("one", 1, 0) == 0
    assert here.take("one", 1, 0) > 0
    spent = here.fresh()
    assert (spent, here.fresh()) == ({"one": 10}, {})
    there.spent_elsewhere({"one": 10}, 0)
    assert there.take("one", 1, 0) == pytest.approx(0.1)
    assert there.take("other", 1, 0) == 0
    assert there.fresh() == {"other": 1}
