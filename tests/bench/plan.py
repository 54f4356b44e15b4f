"""A change of policy that touches every customer: seen first, then made, then felt by a check."""

import time
from collections.abc import Callable
from dataclasses import replace
from typing import Final, TypeVar

from authz_service.app.door import new_id, now
from authz_service.domain.audit import Actor
from authz_service.domain.call import Call
from authz_service.domain.changeset import Changeset
from authz_service.domain.decision import Question
from authz_service.engine.decide import decide
from authz_service.replication.replica import Replica
from authz_service.replication.time import Time
from authz_service.store.database import Database
from authz_service.store.unit_of_work import Store
from authz_service.usecases.changesets.preview_apply import (
    ApplyChangeset,
    PreviewChangeset,
    apply_changeset,
    preview_changeset,
)
from authz_service.usecases.kernel.execution import View
from tests.bench import databases
from tests.bench.figures import Topic
from tests.bench.run import Run
from tests.bench.worlds import KEY, MEDIUM, PERMISSIONS, TIERS
from tests.changesets import put

T = TypeVar("T")

_MOVED: Final = PERMISSIONS[:4]
"""Permissions of the lowest tier, which all tenants have: they go, and come back."""


def measure(run: Run) -> Topic:
    topic = Topic("A tier that 1,000 tenants x 100 users have loses and regains 4 permissions")
    url = f"sqlite:///{run.folder}/plan.db"
    databases.make(url, MEDIUM)
    bench = _Bench(url)
    try:
        for number in range(run.pick(20, 4)):
            bench.turn(topic, first=not number)
    finally:
        bench.close()
    for work, samples in bench.took.items():
        topic.add(work, "ms", samples, at_most=2000 if work == "preview, whole" else None)
    return topic


class _Bench:
    """One process that changes the policy, and another replica that follows it."""

    def __init__(self, url: str) -> None:
        self._database = Database(url)
        self._replica, self._other = (
            Replica(self._database, Time(now)),
            Replica(self._database, Time(now)),
        )
        self._replica.load()
        self._other.load()
        self._store = Store(self._database, self._replica, now, new_id)
        self.took: dict[str, list[float]] = {}

    def turn(self, topic: Topic, *, first: bool) -> None:
        plan = self._replica.index.plans[TIERS[0]]
        wanted = Changeset((put(replace(plan, permissions=plan.permissions ^ {*_MOVED})),))
        view = View(self._replica.index, self._database, now())
        seen = self._timed(
            "preview, whole",
            lambda: preview_changeset.body(view, PreviewChangeset(changeset=wanted)),
        )
        if first:
            touched = seen.preview.summary.losing + seen.preview.summary.gaining
            topic.title += f" ({seen.preview.summary.tenants:,} tenants, {touched:,} users)"
        call = Call(Actor(KEY.subject), reason="bench")
        asked = ApplyChangeset(changeset=wanted, fingerprint=seen.fingerprint)

        def apply() -> None:
            with self._store.transaction(call) as tx:
                apply_changeset.body(tx, asked)

        before = self._answer()
        start = time.perf_counter()
        self._timed("apply, committed and in force here", apply)
        self._other.catch_up()
        if self._answer() == before:
            raise AssertionError("the check does not see the change")
        seconds = time.perf_counter() - start
        self.took.setdefault("until a check on another replica sees it", []).append(1e3 * seconds)

    def close(self) -> None:
        self._database.close()

    def _answer(self) -> tuple[bool, ...]:
        """Ask about the permissions that move, for one whose role holds them."""
        subjects = [s for s, _ in self._other.index.tenants["tenant-00000"].members.items()]
        return tuple(
            decide(self._other.index, Question("tenant-00000", s, p), now()).allowed
            for s in subjects
            for p in _MOVED
        )

    def _timed(self, work: str, body: Callable[[], T]) -> T:
        start = time.perf_counter()
        value = body()
        self.took.setdefault(work, []).append(1e3 * (time.perf_counter() - start))
        return value
