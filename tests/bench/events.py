"""Contracts that change, and access that ends: events of a billing system, one at a time, and the
time from the commit of a removal until another process denies.
"""

import json
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from typing import Final

from authz_service.app.door import new_id, now
from authz_service.domain.audit import Actor
from authz_service.domain.billing_event import EventState
from authz_service.domain.call import Call
from authz_service.domain.catalog import TIER
from authz_service.domain.decision import Question
from authz_service.engine.decide import decide
from authz_service.policyfiles import billing_policy_file
from authz_service.replication.following import Following
from authz_service.replication.replica import Replica
from authz_service.replication.time import Time
from authz_service.store.database import Database
from authz_service.store.unit_of_work import Store
from authz_service.usecases.billing.envelopes import Attributes, envelopes
from authz_service.usecases.billing.event_ingest import EventDoor
from authz_service.usecases.kernel.executor import Executor
from authz_service.usecases.members.members import RemoveMember, remove_member
from tests.bench import databases
from tests.bench.figures import Topic
from tests.bench.run import Run
from tests.bench.worlds import KEY, MEDIUM, PERMISSIONS, TIERS
from tests.postgres import fresh_database, postgres_server

POLICY: Final = billing_policy_file.read(
    """
sources:
  bench:
    scheme: trusted-rpc
    tenant: tenant
    fields: {agreement: tenant, plans: plans}
    times: {unit: seconds}
    events: [{type: change_plan, do: [change_plan, active]}]
prices: {free: {tier: free}, professional: {tier: professional}, enterprise: {tier: enterprise}}
"""
)
PLANS: Final = tuple(tier.removeprefix(TIER) for tier in TIERS)
POLL: Final = 0.5
"""Seconds after which a process looks by itself, as `AUTHZ_POLL_SECONDS` has it by default."""


def measure(run: Run) -> Topic:
    topic = Topic("Events that move a tenant between tiers, and removals, at 110k grants")
    file = f"sqlite:///{run.folder}/events.db"
    databases.make(file, MEDIUM)
    _measure(run, topic, "SQLite FULL", file)
    with postgres_server(fsync=True) as server, fresh_database(server) as url:
        databases.make(url, MEDIUM)
        _measure(run, topic, "PostgreSQL", url)
    return topic


def _measure(run: Run, topic: Topic, name: str, url: str) -> None:
    with _working(url) as bench:
        size = run.pick(250, 100)
        rates = [bench.events(size) for _ in range(run.pick(8, 3))]
        topic.add(f"{name}: events applied", "/s", rates, more_is_better=True)
        took = [bench.removal(number) for number in range(run.pick(60, 15))]
    topic.add(f"{name}: a removal, until denied here", "ms", [1e3 * mine for mine, _ in took])
    waited = f"{name}: from its commit until denied elsewhere"
    topic.add(waited, "ms", [1e3 * other for _, other in took])
    if name != "PostgreSQL":
        topic.notes.append(f"On SQLite another process looks every {POLL:g} s by itself.")


class _Bench:
    """One process that changes, and another one's replica that follows it by a thread."""

    def __init__(self, database: Database, other: Database) -> None:
        self._replica, self._other = Replica(database, Time(now)), Replica(other, Time(now))
        self._replica.load()
        self._other.load()
        store = Store(database, self._replica, now, new_id)
        self._executor = Executor(store, lambda: self._replica.index, now)
        self._replica.index.billing.policy = POLICY
        self._door = EventDoor(store, Counter())
        self._numbers = count()
        self.following = Following(other, self._other, POLL, lambda _: None)

    def events(self, size: int) -> float:
        """Take in events; return how many a second."""
        start = time.perf_counter()
        for number in (next(self._numbers) for _ in range(size)):
            self._event(number)
        return size / (time.perf_counter() - start)

    def _event(self, number: int) -> None:
        """Move one tenant after the other to the tier after its own."""
        tenant, turn = number % MEDIUM.tenants, number // MEDIUM.tenants
        plan = PLANS[(tenant + turn + 1) % len(PLANS)]
        body = json.dumps({"tenant": f"tenant-{tenant:05}", "plans": plan}).encode()
        given = Attributes(f"event-{number}", "change_plan", now())
        (envelope,) = envelopes(POLICY.sources["bench"], body, given)
        taken = self._door.take(envelope, POLICY.sources["bench"], "bench", "")
        if taken.event.state is not EventState.APPLIED or not taken.effects:
            raise AssertionError(f"the event did nothing: {taken.event.message}")

    def removal(self, number: int) -> tuple[float, float]:
        """Remove a member; return the seconds of it and those until the other denies."""
        tenant = f"tenant-{number:05}"
        subject = min(subject for subject, _ in self._replica.index.tenants[tenant].members.items())
        question = next(q for q in _questions(tenant, subject) if self._allows(self._replica, q))
        start = time.perf_counter()
        call = Call(Actor(KEY.subject), reason="bench")
        self._executor.change(call, remove_member, RemoveMember(tenant=tenant, subject=subject))
        if self._allows(self._replica, question):
            raise AssertionError("the check does not see the removal")
        committed = time.perf_counter()
        while self._allows(self._other, question):
            if time.perf_counter() - committed > 30:
                raise AssertionError("the other process never sees the removal")
            time.sleep(0.0002)
        return committed - start, time.perf_counter() - committed

    @staticmethod
    def _allows(replica: Replica, question: Question) -> bool:
        return decide(replica.index, question, now()).allowed


def _questions(tenant: str, subject: str) -> Iterator[Question]:
    return (Question(tenant, subject, permission) for permission in PERMISSIONS)


@contextmanager
def _working(url: str) -> Iterator[_Bench]:
    database, other = Database(url), Database(url)
    bench = _Bench(database, other)
    bench.following.start()
    try:
        yield bench
    finally:
        bench.following.stop()
        database.close()
        other.close()
