"""One decision in process: ours at 1k, 110k and 1.1M grants; Casbin where it can still run."""

import gc
import statistics
import time
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final

from authz_service.domain.decision import Question
from authz_service.domain.grant import RoleGrant
from authz_service.domain.rules import Rule, rules_of
from authz_service.engine.decide import decide
from authz_service.engine.index import Index
from authz_service.reference.enforcer import enforcer, request
from tests.bench.figures import Topic
from tests.bench.run import ROOT, Run
from tests.bench.worlds import AT, LARGE, MEDIUM, SMALL, World

AT_MOST: Final = 3.0
"""Microseconds a decision, and times as long at L as at S (design, section 9)."""

QUESTIONS: Final = 20_000
HOT: Final = 200


def measure(run: Run) -> Topic:
    topic = Topic("One decision in process (random: every string new, as a call brings it)")
    worlds = [SMALL, *run.pick([MEDIUM, LARGE], [MEDIUM])]
    indexes = [(world, world.index()) for world in worlds]
    gc.collect()
    means = _ours(run, topic, indexes)
    for kind in ("hot", "random"):
        smallest, largest = means[kind, worlds[0]], means[kind, worlds[-1]]
        name = f"{kind}: {worlds[-1].name} / {worlds[0].name}"
        topic.compare(name, largest, smallest, at_most=AT_MOST)
    _theirs(run, topic, indexes)
    return topic


def _ours(
    run: Run, topic: Topic, indexes: Sequence[tuple[World, Index]]
) -> dict[tuple[str, World], list[float]]:
    """Ask at each size in turn, round by round; return the means, in microseconds."""
    means: dict[tuple[str, World], list[float]] = {}
    middles: dict[tuple[str, World], list[float]] = {}
    for turn in range(run.pick(9, 4)):
        for world, index in indexes:
            hot = world.questions(HOT, seed=1) * (QUESTIONS // HOT)
            _mean(index, hot)
            random, more = (world.questions(QUESTIONS, seed=2 * turn + each) for each in (2, 3))
            for kind, first, second in (("hot", hot, hot), ("random", random, more)):
                means.setdefault((kind, world), []).append(_mean(index, first))
                middles.setdefault((kind, world), []).append(_middle(index, second))
    for (kind, world), samples in means.items():
        name = f"{world.name}, {world.grants:,} grants, {kind}"
        topic.add(f"{name}: mean", "us", samples, at_most=AT_MOST)
        topic.add(f"{name}: p50", "us", middles[kind, world], at_most=AT_MOST)
    return means


def _mean(index: Index, questions: Sequence[Question]) -> float:
    start = time.perf_counter_ns()
    for question in questions:
        decide(index, question, AT)
    return (time.perf_counter_ns() - start) / len(questions) / 1e3


def _middle(index: Index, questions: Sequence[Question]) -> float:
    """Return the median of single decisions, without what reading the clock takes."""
    clock = time.perf_counter_ns
    took, nothing = [], []
    for question in questions:
        start = clock()
        decide(index, question, AT)
        end = clock()
        took.append(end - start)
        nothing.append(clock() - end)
    return (statistics.median(took) - statistics.median(nothing)) / 1e3


def _theirs(run: Run, topic: Topic, indexes: Sequence[tuple[World, Index]]) -> None:
    model = (ROOT / "policies" / "model.conf").read_text(encoding="utf-8")
    sizes = {SMALL: 100, MEDIUM: run.pick(20, 0)}
    for world, index in indexes:
        plain = sizes.get(world, 0)
        if not plain:
            topic.notes.append(f"Casbin was not asked at {world.name}: it takes too long to load.")
            continue
        rules = list(_rules(world))
        stock = enforcer(model, rules)
        _casbin(topic, f"Enforcer, {world.name}", stock.enforce, index, world.questions(plain, 3))


def _rules(world: World) -> Iterable[Rule]:
    for fact in world.facts():
        yield from rules_of(fact)
    for tenant, subject, roles in world.people():
        for role in roles:
            yield from rules_of(RoleGrant(tenant, subject, role))


def _casbin(
    topic: Topic, name: str, enforce: Callable[..., Any], index: Index, asked: Sequence[Question]
) -> None:
    took = []
    for question in asked:
        start = time.perf_counter()
        allowed = enforce(*request(question))
        took.append(1e6 * (time.perf_counter() - start))
        if allowed != decide(index, question, AT).allowed:
            raise AssertionError(f"{name} and the index disagree on {question}")
    topic.add(f"pycasbin {name}: median of {len(asked)}", "us", [statistics.median(took)])
