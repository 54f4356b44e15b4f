"""Checks over gRPC: our server on one core, the client on another, authentication on.

Beside it, in turn, a trivial handler on the same server class with the same messages.
"""

import statistics
from collections.abc import Sequence
from typing import Any, Final, TypeAlias

from authz_service.domain.decision import Question
from authz_service.engine.decide import decide
from authz_service.engine.index import Index
from authz_service.gen.authz.v1 import authorization_pb2 as pb
from tests.bench import databases
from tests.bench.figures import Topic
from tests.bench.load import Work, answers, closed_loop, open_loop
from tests.bench.run import Run, pinned
from tests.bench.servers import serving
from tests.bench.wire import Connection
from tests.bench.worlds import AT, CREDENTIAL, MEDIUM, PERMISSIONS

LAST_CORE: Final = -1
CHECK: Final = "single check"
BATCH: Final = "batch of 100"
FORTY: Final = "40 permissions of one subject"
THOUSAND: Final = "1,000 permissions of one subject"

# Design, section 9: a second and a core, where the bare grpcio server made 6.3k and 254k.
CERBOS_CHECKS, CERBOS_ANSWERS, BARE_CHECKS, BARE_ANSWERS = 5_200, 25_000, 6_300, 254_000

Rates: TypeAlias = dict[str, list[float]]
"""Answers a second in each round, by the name of the work."""


def measure(run: Run) -> Topic:
    topic = Topic("Checks over gRPC, one server core, 64 in flight, at 110k grants")
    url = f"sqlite:///{run.folder}/checks.db"
    databases.make(url, MEDIUM)
    works = all_works(run.pick(2_000, 500))
    with serving("trivial") as trivial, serving("ours", url) as ours, pinned(LAST_CORE):
        _check_answers(ours, works)
        mine, bare = _closed_loops(run, ours, trivial, works)
        _report(topic, mine, bare)
        _latencies(run, topic, ours, works[0], statistics.median(mine[CHECK]))
    return topic


def all_works(count: int) -> list[Work]:
    asked = MEDIUM.questions(count, seed=6)
    hundreds = [MEDIUM.questions(100, seed) for seed in range(count // 20)]
    checks = [pb.CheckRequest(**_fields(each)).SerializeToString() for each in asked]
    batches = [
        pb.BatchCheckRequest(questions=[pb.Question(**_fields(each)) for each in hundred])
        for hundred in hundreds
    ]
    return [
        Work(CHECK, "Check", checks, 1),
        Work(BATCH, "BatchCheck", [each.SerializeToString() for each in batches], 100),
        Work(FORTY, "CheckPermissions", _lists(asked, PERMISSIONS), 40),
        # The catalogue has 40: a longer list only repeats them.
        Work(THOUSAND, "CheckPermissions", _lists(asked[: count // 10], PERMISSIONS * 25), 1_000),
    ]


def _fields(question: Question) -> dict[str, Any]:
    return {
        "tenant": question.tenant,
        "subject": question.subject,
        "permission": question.permission,
    }


def _lists(asked: Sequence[Question], permissions: Sequence[str]) -> list[bytes]:
    return [
        pb.CheckPermissionsRequest(
            tenant=each.tenant, subject=each.subject, permissions=permissions
        ).SerializeToString()
        for each in asked
    ]


def _check_answers(port: int, works: Sequence[Work]) -> None:
    """Make sure that what is measured is right: single checks, batches and lists."""
    index = MEDIUM.index()
    check, batch, forty, _ = works
    for work in (check, batch, forty):
        connection = Connection(port, work.path, CREDENTIAL)
        for message, answer in zip(work.messages, answers(connection, work.messages), strict=True):
            expected, got = _expected(index, work, message), _got(work, answer)
            if expected != got:
                raise AssertionError(f"{work.name}: expected {expected}, got {got}")
        connection.close()


def _expected(index: Index, work: Work, message: bytes) -> list[bool]:
    match work.rpc:
        case "Check":
            check = pb.CheckRequest.FromString(message)
            asked = [Question(check.tenant, check.subject, check.permission)]
        case "BatchCheck":
            batch = pb.BatchCheckRequest.FromString(message)
            asked = [
                Question(each.tenant, each.subject, each.permission) for each in batch.questions
            ]
        case _:
            whole = pb.CheckPermissionsRequest.FromString(message)
            asked = [Question(whole.tenant, whole.subject, name) for name in whole.permissions]
    return [decide(index, each, AT).allowed for each in asked]


def _got(work: Work, answer: bytes) -> list[bool]:
    match work.rpc:
        case "Check":
            return [pb.CheckResponse.FromString(answer).allowed]
        case "BatchCheck":
            return list(pb.BatchCheckResponse.FromString(answer).allowed)
    return list(pb.CheckPermissionsResponse.FromString(answer).allowed)


def _closed_loops(run: Run, ours: int, trivial: int, works: Sequence[Work]) -> tuple[Rates, Rates]:
    """Drive both servers in turn, work by work and round by round."""
    mine: Rates = {work.name: [] for work in works}
    bare: Rates = {work.name: [] for work in works}
    for turn in range(run.pick(7, 3) + 1):
        for work in works:
            for port, rates in ((trivial, bare), (ours, mine)):
                connection = Connection(port, work.path, CREDENTIAL)
                seconds = run.pick(1.0, 0.4) if turn else 0.2
                rate = closed_loop(connection, work.messages, seconds)
                connection.close()
                if turn:  # the first is a warm-up
                    rates[work.name].append(rate * work.answers)
    return mine, bare


def _report(topic: Topic, mine: Rates, bare: Rates) -> None:
    for name in mine:
        unit = "/s" if name == CHECK else "answers/s"
        topic.add(name, unit, mine[name], more_is_better=True)
        topic.add(f"{name}, trivial handler", unit, bare[name], more_is_better=True)
    goals = {CHECK: CERBOS_CHECKS / BARE_CHECKS, BATCH: 6 * CERBOS_ANSWERS / BARE_ANSWERS}
    for name, mine_of in mine.items():
        topic.compare(f"{name} / trivial", mine_of, bare[name], at_least=goals.get(name))
    topic.compare(
        f"{THOUSAND} / trivial batch", mine[THOUSAND], bare[BATCH],
        at_least=40 * CERBOS_ANSWERS / BARE_ANSWERS,
    )  # fmt: skip
    cerbos = [CERBOS_ANSWERS / BARE_CHECKS * rate for rate in bare[CHECK]]
    topic.compare(f"{BATCH} / Cerbos", mine[BATCH], cerbos, at_least=6)
    topic.compare(f"{THOUSAND} / Cerbos", mine[THOUSAND], cerbos, at_least=40)
    topic.notes += [
        "Cerbos: its 25k answers/s, where the bare single check made 6.3k/s, scaled to here.",
        "The design's bare batch handler (254k answers/s) took 2.4 us a question, the trivial one",
        "here takes 0.3: ratios to it ask more than the design did.",
    ]


def _latencies(run: Run, topic: Topic, port: int, work: Work, most: float) -> None:
    """Offer 85 % of the most that it can do, in random gaps, and time each call."""
    middle, slow, lost = [], [], []
    for seed in range(run.pick(4, 2)):
        connection = Connection(port, work.path, CREDENTIAL)
        seconds = run.pick(2.0, 1.0)
        took, refused = open_loop(connection, work.messages, 0.85 * most, seconds, seed)
        connection.close()
        took.sort()
        middle.append(took[len(took) // 2])
        slow.append(took[len(took) * 99 // 100])
        lost.append(100 * refused / (refused + len(took)))
    topic.add(f"{work.name} at 85 % of the most, p50", "ms", middle)
    topic.add(f"{work.name} at 85 % of the most, p99", "ms", slow)
    topic.add(f"{work.name} at 85 % of the most, refused", "%", lost)
