"""Token buckets and the line for a thread, with clocks that move when they are told to."""

import threading
from collections.abc import Callable, Iterator
from typing import Any

import grpc
import pytest
from google.protobuf.message import DecodeError
from google.rpc.error_details_pb2 import ErrorInfo, RetryInfo
from google.rpc.status_pb2 import Status
from structlog.testing import capture_logs

from authz_service.errors import ErrorReason, ResourceExhausted
from authz_service.gen.authz.v1 import authorization_pb2 as pb
from authz_service.rpc.admission import Limits, LimitSettings
from authz_service.rpc.admission_queue import BURST, LONGEST_SPELL, SHORT, Line
from authz_service.serving.call_stats import Observation
from authz_service.serving.rate_limits import TokenBuckets
from authz_service.usecases.kernel.rights import access_of

SECOND = 1_000_000


class Aborted(Exception):
    """What gRPC raises to end a handler."""


class Call:
    """A context as far as limits use it."""

    def __init__(self, peer: str = "") -> None:
        self.cancelled = threading.Event()
        self.status: Any = None
        self.callbacks: list[Callable[[], None]] = []
        self._peer = peer

    def abort_with_status(self, status: Any) -> None:
        self.status = status
        raise Aborted

    def add_callback(self, callback: Callable[[], None]) -> bool:
        self.callbacks.append(callback)
        return True

    def cancel(self) -> None:
        self.cancelled.set()

    def peer_identities(self) -> list[bytes] | None:
        return [self._peer.encode()] if self._peer else None

    @property
    def details(self) -> tuple[str, float]:
        """Read the reason and the time to wait out of the status."""
        pairs = dict(self.status.trailing_metadata)
        status = Status.FromString(pairs["grpc-status-details-bin"])
        info, retry = ErrorInfo(), RetryInfo()
        for detail in status.details:
            assert detail.Unpack(info) or detail.Unpack(retry)
        return info.reason, retry.retry_delay.ToTimedelta().total_seconds()


class World:
    """Limits with both clocks in hand."""

    def __init__(self, per_second: float = 0, max_waiting: int = 2) -> None:
        self.now, self.tick = 0, 100.0
        settings = LimitSettings(
            threads=1,
            max_waiting=max_waiting,
            max_queue_seconds=1.0,
            max_seconds=30.0,
            per_second=per_second,
        )
        self.limits = Limits(
            settings, lambda: self.now, lambda: "id", Observation("x"), lambda: self.tick
        )

    def serve(self, requests: Iterator[bytes], context: Call) -> Any:
        serve = self.limits.received(lambda asked, _: asked, pb.CheckRequest.FromString, "S.Check")
        return self.limits.threads.submit(serve, requests, context)  # type: ignore[arg-type]


@pytest.fixture
def world() -> Iterator[World]:
    made = World()
    yield made
    made.limits.stop()


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


def charged(world: World, weight: str) -> Callable[[Any, Call], Any]:
    return world.limits.charged(lambda asked, _: "done", weight, lambda context: "")  # type: ignore[return-value]


def test_no_rate_leaves_the_behaviour_as_it_is(world: World) -> None:
    def behaviour(request: Any, context: grpc.ServicerContext) -> None: ...

    assert world.limits.charged(behaviour, "", lambda _: "") is behaviour


def test_callers_without_a_key_are_told_apart_by_their_certificates() -> None:
    check = charged(World(per_second=1), "")
    assert check(pb.CheckRequest(), Call("one")) == "done"
    assert check(pb.CheckRequest(), Call("other")) == "done"
    with pytest.raises(ResourceExhausted) as refused:
        check(pb.CheckRequest(), Call("one"))
    assert refused.value.reason is ErrorReason.RATE_LIMITED
    assert refused.value.retry_after == 1
    assert refused.value.details == {"rate": "1"}


@pytest.mark.parametrize(
    "asked",
    [
        pb.BatchCheckRequest(questions=[pb.Question()] * 5),
        pb.CheckPermissionsRequest(permissions=["a:b"] * 5),
    ],
)
def test_each_question_of_a_batch_counts(asked: Any) -> None:
    world = World(per_second=2)
    batch = charged(world, access_of(type(asked).__name__.removesuffix("Request")).weight)
    assert batch(asked, Call()) == "done"
    world.now = 1_900_000
    with pytest.raises(ResourceExhausted):
        batch(asked, Call())
    world.now = 2_000_000
    assert batch(asked, Call()) == "done"


def test_call_that_stood_in_line_too_long_is_refused_before_its_message_is_read(
    world: World,
) -> None:
    until = threading.Event()
    world.limits.threads.submit(until.wait)
    in_time, late = Call(), Call()
    world.tick = 100.0
    unread = iter([b""])
    overdue = world.serve(unread, late)
    world.tick = 100.5
    served = world.serve(iter([b""]), in_time)
    world.tick = 101.25
    until.set()
    with pytest.raises(Aborted):
        overdue.result()
    assert late.details == ("OVERLOADED", 1.0)
    assert list(unread) == [b""]
    assert served.result() == pb.CheckRequest()


def test_line_is_full_while_so_many_wait_and_not_longer(world: World) -> None:
    until, runs = threading.Event(), threading.Barrier(2)
    world.limits.threads.submit(lambda: (runs.wait(), until.wait()))
    runs.wait()
    fulls = [world.limits.full]
    waiting = []
    for _ in range(2):
        waiting.append(world.limits.threads.submit(until.wait))
        fulls.append(world.limits.full)
    until.set()
    assert all(each.result() for each in waiting)
    assert [*fulls, world.limits.full] == [False, False, True, False]


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
        full = self.line.full(self.tick)
        if not full:
            self.line.join()
        return full


def test_burst_may_wait_longer_than_a_standing_line() -> None:
    at = Standing()
    assert at.arrive(*[0.001] * 90) == [False] * 90
    at.tick += 0.005
    assert not at.line.overdue(at.line.leave(), at.tick)


def test_line_that_does_not_empty_refuses_once_its_first_call_is_too_old() -> None:
    at = Standing()
    assert at.arrive(0, BURST, 0.001) == [False, False, True]
    at.line.leave()
    assert at.arrive(0.003, 0.002) == [False, True]


def test_line_that_emptied_is_a_burst_again() -> None:
    at = Standing()
    at.arrive(0, 0.05)
    while len(at.line):
        at.line.leave()
    assert at.arrive(BURST, 0.05) == [False, False]


def test_line_that_emptied_by_turning_calls_away_is_not_yet() -> None:
    at = Standing()
    assert at.arrive(0, BURST, 0.001) == [False, False, True]
    while len(at.line):
        at.line.leave()
    assert at.arrive(0.001, 0.021) == [False, True]
    while len(at.line):
        at.line.leave()
    assert at.arrive(BURST + 0.001, 0.05) == [False, False]


def refuses_after(at: Standing, spell: float) -> bool:
    """Tell whether a call is refused behind one that waits longer than in a line kept short."""
    at.tick += spell
    at.line.join()
    while len(at.line) > 1:  # it is never empty
        at.line.leave()
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
    at.line.leave()
    since = at.line.leave()
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
            since = at.line.leave()
            if at.line.overdue(since, at.tick):
                free = at.tick + slowness / 2  # to shed a call whose turn has come costs as well
            else:
                free = at.tick + slowness
                waits.append(at.tick - since if at.tick > 100 + 3 * BURST else 0)
    assert max(waits) <= 0.04
    assert len(waits) > 0.8 / slowness  # of a second: little time goes into calls not answered


def test_calls_shed_in_one_second_share_a_line_of_log(world: World) -> None:
    refuse = world.limits.refused("S.Check")
    with capture_logs() as logs:
        for tick in (100.0, 100.5, 100.9, 101.1):
            world.tick = tick
            with pytest.raises(Aborted):
                refuse(iter([]), Call())  # type: ignore[arg-type]
    assert [(entry["event"], entry["shed_so_far"]) for entry in logs] == [
        ("calls are shed", 1),
        ("calls are shed", 4),
    ]
    assert world.limits.shed == 4


@pytest.mark.parametrize("sent", [[], [b"\xff\xff"]], ids=["nothing", "garbage"])
def test_message_that_cannot_be_read_is_refused(world: World, sent: list[bytes]) -> None:
    with pytest.raises(DecodeError):
        pb.CheckRequest.FromString(b"\xff\xff")
    context = Call()
    with pytest.raises(Aborted):
        world.serve(iter(sent), context).result()
    assert context.details == ("INVALID_FIELD", 0.0)


def test_call_that_lasts_beyond_every_wait_is_cut_and_no_other(world: World) -> None:
    context, entered = Call(), threading.Event()

    def never() -> Iterator[bytes]:
        entered.set()
        context.cancelled.wait()
        yield b""

    going = world.serve(never(), context)
    entered.wait()
    world.limits.cut(100.0 + 36.0)
    assert not context.cancelled.is_set()
    with capture_logs() as logs:
        world.limits.cut(100.0 + 36.1)
    assert context.cancelled.is_set()
    assert [entry["event"] for entry in logs] == ["call cut"]
    going.result()
    world.limits.cut(1000.0)
