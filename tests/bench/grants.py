"""Durable, audited grants: the use case as the administration port runs it, one caller at a time,
one by one and in bulk.

Beside it, in turn, one bare SQLAlchemy insert and commit on the same kind of database, on SQLite
in a file of its own: two writers of one file would pay for each other's checkpoints.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count, islice
from typing import Final

from sqlalchemy import Column, Integer, MetaData, Table, Text, create_engine, insert

from authz_service.app.door import new_id, now
from authz_service.domain.audit import Actor
from authz_service.domain.call import Call
from authz_service.domain.grant import RoleGrant
from authz_service.replication.replica import Replica
from authz_service.replication.time import Time
from authz_service.store.database import Database
from authz_service.store.unit_of_work import Store
from authz_service.usecases.grants.batch_grants import BatchGrantRoles, batch_grant_roles
from authz_service.usecases.grants.role_grants import GrantRole, grant_role
from authz_service.usecases.kernel.executor import Executor
from tests.bench import databases
from tests.bench.figures import Topic
from tests.bench.run import Run
from tests.bench.worlds import KEY, MEDIUM
from tests.postgres import fresh_database, postgres_server

WARM_UP: Final = 200
BULK: Final = 1000
"""Grants in one call, the most that it may carry."""
_YARDSTICK: Final = Table(
    "yardstick", MetaData(), Column("id", Integer, primary_key=True), Column("body", Text)
)


def measure(run: Run) -> Topic:
    topic = Topic("Durable grants with audit entry, request id and revision, at 110k grants")
    file, other = f"sqlite:///{run.folder}/grants.db", f"sqlite:///{run.folder}/bare.db"
    databases.make(file, MEDIUM)
    # Design, section 9: 2.5k/s where a bare insert made 3.7k/s, and 800/s where it made 1.3k/s;
    # 5k/s in bulk calls.
    _compare(run, topic, "SQLite FULL", (file, other), (2500, 3700, 5000))
    with postgres_server(fsync=True) as server, fresh_database(server) as url:
        databases.make(url, MEDIUM)
        _compare(run, topic, "PostgreSQL", (url, url), (800, 1300, None))
    return topic


def _compare(
    run: Run,
    topic: Topic,
    name: str,
    urls: tuple[str, str],
    goal: tuple[float, float, float | None],
) -> None:
    ours, bare = [], []
    with _granting(urls[0]) as granter, _inserting(urls[1]) as insert_bare:
        _rate(granter.grant, WARM_UP)
        _rate(insert_bare, WARM_UP)
        for _ in range(run.pick(16, 6)):
            bare.append(_rate(insert_bare, run.pick(250, 100)))
            ours.append(_rate(granter.grant, run.pick(250, 100)))
        bulk = [_rate(granter.grant_many, 1) * BULK for _ in range(run.pick(16, 6))]
    topic.add(f"{name}: audited grant", "/s", ours, at_least=goal[0])
    topic.add(f"{name}: bare insert and commit", "/s", bare, more_is_better=True)
    topic.compare(f"{name}: grant / bare insert", ours, bare, at_least=goal[0] / goal[1])
    work = f"{name}: grants in bulk calls of {BULK}, each in a tenant of its own"
    topic.add(work, "/s", bulk, at_least=goal[2], more_is_better=True)


def _rate(once: Callable[[], object], times: int) -> float:
    start = time.perf_counter()
    for _ in range(times):
        once()
    return times / (time.perf_counter() - start)


@dataclass(frozen=True, slots=True)
class _Granter:
    """Grants roles to those who do not have them, one or `BULK` at a time."""

    grants: Iterator[RoleGrant]
    executor: Executor
    numbers: Iterator[int] = field(default_factory=count)

    def grant(self) -> object:
        return self.executor.change(self._call(), grant_role, GrantRole(grant=next(self.grants)))

    def grant_many(self) -> object:
        wanted = BatchGrantRoles(grants=tuple(islice(self.grants, BULK)))
        return self.executor.change(self._call(), batch_grant_roles, wanted)

    def _call(self) -> Call:
        number = next(self.numbers)
        request_id = f"request-{number:09}"
        return Call(Actor(KEY.subject), request_id=request_id, fingerprint=f"{number:064x}")


@contextmanager
def _granting(url: str) -> Iterator[_Granter]:
    """Lend what grants roles on a database."""
    database = Database(url)
    replica = Replica(database, Time(now))
    replica.load()
    store = Store(database, replica, now, new_id)
    try:
        yield _Granter(MEDIUM.new_grants(), Executor(store, lambda: replica.index, now))
    finally:
        database.close()


@contextmanager
def _inserting(url: str) -> Iterator[Callable[[], object]]:
    """Lend a function that inserts one row in a plain SQLAlchemy transaction of its own."""
    engine = create_engine(url)
    if engine.dialect.name == "sqlite":
        with engine.connect() as connection:  # synchronous = FULL is the default
            connection.exec_driver_sql("PRAGMA journal_mode = WAL")
    _YARDSTICK.create(engine)
    statement = insert(_YARDSTICK)

    def insert_bare() -> None:
        with engine.begin() as connection:
            connection.execute(statement, {"body": "x" * 200})

    try:
        yield insert_bare
    finally:
        engine.dispose()
