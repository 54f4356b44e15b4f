"""Customers taken over with their members: the use case as the administration port runs it, in the
calls that `authz import customers` makes.
"""

import time
from collections.abc import Iterator
from itertools import islice
from typing import Final

from authz_service.app.door import new_id, now
from authz_service.domain.audit import Actor
from authz_service.domain.call import Call
from authz_service.replication.replica import Replica
from authz_service.replication.time import Time
from authz_service.store.database import Database
from authz_service.store.unit_of_work import Store
from authz_service.usecases.kernel.executor import Executor
from authz_service.usecases.members.members import NewMember
from authz_service.usecases.tenants.batch_onboarding import (
    BatchOnboardTenants,
    CustomerRow,
    Outcome,
    batch_onboard_tenants,
)
from authz_service.usecases.tenants.onboarding import OnboardTenant
from tests.bench import databases
from tests.bench.figures import Topic
from tests.bench.run import Run
from tests.bench.worlds import KEY, World, roles_of, subject
from tests.postgres import fresh_database, postgres_server

MEMBERS: Final = 20
CALL: Final = 50
"""Customers in one call: 1,000 members, the most that it may carry."""
EMPTY: Final = World("empty", 0, 0)


def measure(run: Run) -> Topic:
    count = run.pick(10_000, 1_000)
    topic = Topic(f"{count:,} customers x {MEMBERS} members imported, audited, {CALL} a call")
    file = f"sqlite:///{run.folder}/customers.db"
    databases.make(file, EMPTY)
    _measure(topic, "SQLite FULL", file, count)
    with postgres_server(fsync=True) as server, fresh_database(server) as url:
        databases.make(url, EMPTY)
        _measure(topic, "PostgreSQL", url, run.pick(2_000, 500))
    return topic


def _measure(topic: Topic, name: str, url: str, count: int) -> None:
    database = Database(url)
    replica = Replica(database, Time(now))
    replica.load()
    executor = Executor(Store(database, replica, now, new_id), lambda: replica.index, now)
    calls = []
    try:
        for number, rows in enumerate(_batches(count)):
            start = time.perf_counter()
            _take(executor, rows, number, Outcome.CREATED)
            calls.append(time.perf_counter() - start)
        start = time.perf_counter()
        for number, rows in enumerate(_batches(count)):
            _take(executor, rows, count + number, Outcome.UNCHANGED)
        again = time.perf_counter() - start
    finally:
        database.close()
    whole = sum(calls)
    # The aim is 10,000 customers in a minute on SQLite.
    aim = 60 * count / 10_000 if url.startswith("sqlite") else None
    topic.add(f"{name}: {count:,} customers, whole", "s", [whole], at_most=aim)
    topic.add(f"{name}: members a second", "/s", [MEMBERS * count / whole], more_is_better=True)
    topic.add(f"{name}: one call, which holds up others", "ms", [1e3 * s for s in calls])
    topic.add(f"{name}: once more, all there already", "s", [again])


def _take(executor: Executor, rows: tuple[CustomerRow, ...], number: int, wanted: Outcome) -> None:
    call = Call(Actor(KEY.subject), request_id=f"r-{number:09}", fingerprint=f"{number:064x}")
    answer = executor.change(call, batch_onboard_tenants, BatchOnboardTenants(customers=rows))
    if {each.outcome for each in answer.value} != {wanted}:
        raise AssertionError(f"not all were {wanted}")


def _batches(count: int) -> Iterator[tuple[CustomerRow, ...]]:
    rows = map(_row, range(count))
    while batch := tuple(islice(rows, CALL)):
        yield batch


def _row(number: int) -> CustomerRow:
    people = range(MEMBERS * number, MEMBERS * (number + 1))
    members = tuple(NewMember.of(subject(each), roles_of(each)) for each in people)
    name = f"customer-{number:05}"
    wanted = OnboardTenant(
        tenant=name, tier="professional", display_name=f"Customer {number}", members=members
    )
    return CustomerRow(name, wanted, members=MEMBERS)
