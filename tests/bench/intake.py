"""Events of one account, ten thousand of them; and grants in another account beside them."""

import json
import statistics
import threading
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
from authz_service.replication.replica import Replica
from authz_service.replication.time import Time
from authz_service.store.database import Database
from authz_service.store.unit_of_work import Store
from authz_service.usecases.billing.envelopes import Attributes, envelopes
from authz_service.usecases.billing.event_ingest import EventDoor
from authz_service.usecases.grants.role_grants import GrantRole, grant_role
from authz_service.usecases.kernel.executor import Executor
from tests.bench import databases
from tests.bench.events import PLANS, POLICY
from tests.bench.figures import Topic
from tests.bench.run import Run
from tests.bench.worlds import KEY, World
from tests.postgres import fresh_database, postgres_server

TWO: Final = World("two", 2, 400)
CHANGING: Final = 10
"""One event in so many changes the plan; the others say again what is so, as most do."""

A_SECOND: Final = 40
"""Events a second while others grant."""


def measure(run: Run) -> Topic:
    size = run.pick(10_000, 1_000)
    topic = Topic(f"{size:,} events of one account, and grants in another one beside them")
    file = f"sqlite:///{run.folder}/intake.db"
    databases.make(file, TWO)
    _measure(run, topic, "SQLite FULL", file, size)
    with postgres_server(fsync=True) as server, fresh_database(server) as url:
        databases.make(url, TWO)
        _measure(run, topic, "PostgreSQL", url, size)
    return topic


def _measure(run: Run, topic: Topic, name: str, url: str, size: int) -> None:
    with _working(url) as bench:
        took = [bench.event() for _ in range(size)]
        part = size // 20
        batches = range(0, part, 10)
        first = [statistics.median(took[at : at + 10]) for at in batches]
        last = [statistics.median(took[at : at + 10]) for at in range(size - part, size, 10)]
        topic.add(f"{name}: an event, among the first", "ms", [1e3 * each for each in first])
        topic.add(f"{name}: an event, among the last", "ms", [1e3 * each for each in last])
        work = f"{name}: the last to the first"
        topic.compare(work, [statistics.median(last)], [statistics.median(first)], at_most=1.5)
        turns = run.pick(10, 4)
        alone, beside = zip(*(bench.grants(20) for _ in range(turns)), strict=True)
        work = f"{name}: a grant beside {A_SECOND} events a second, to one alone"
        topic.compare(work, beside, alone, at_most=1.5)


class _Bench:
    """One process, its events and its grants."""

    def __init__(self, database: Database) -> None:
        replica = Replica(database, Time(now))
        replica.load()
        replica.index.billing.policy = POLICY
        store = Store(database, replica, now, new_id)
        self._executor = Executor(store, lambda: replica.index, now)
        self._door = EventDoor(store, Counter())
        self._numbers = count()
        own = TWO.new_grants()
        self._grants = (grant for grant in own if grant.tenant != "tenant-00000")

    def event(self) -> float:
        """Take in the next event of the first account; return the seconds of it."""
        number = next(self._numbers)
        plan = PLANS[number // CHANGING % len(PLANS)]
        body = json.dumps({"tenant": "tenant-00000", "plans": plan}).encode()
        given = Attributes(f"event-{number}", "change_plan", now())
        source = POLICY.sources["bench"]
        (envelope,) = envelopes(source, body, given)
        start = time.perf_counter()
        taken = self._door.take(envelope, source, "bench", "")
        if taken.event.state is not EventState.APPLIED:
            raise AssertionError(f"the event was not done: {taken.event.message}")
        return time.perf_counter() - start

    def grants(self, size: int) -> tuple[float, float]:
        """Grant in the other account, alone and beside events; return both medians."""
        alone = statistics.median(self._grant() for _ in range(size))
        ending = threading.Event()
        events = threading.Thread(target=self._stream, args=(ending,))
        events.start()
        beside = statistics.median(self._grant() for _ in range(size))
        ending.set()
        events.join()
        return alone, beside

    def _grant(self) -> float:
        grant = next(self._grants)
        call = Call(Actor(KEY.subject), reason="bench")
        start = time.perf_counter()
        self._executor.change(call, grant_role, GrantRole(grant=grant))
        took = time.perf_counter() - start
        time.sleep(0.005)
        return took

    def _stream(self, ending: threading.Event) -> None:
        while not ending.wait(1 / A_SECOND):
            self.event()


@contextmanager
def _working(url: str) -> Iterator[_Bench]:
    database = Database(url)
    try:
        yield _Bench(database)
    finally:
        database.close()
