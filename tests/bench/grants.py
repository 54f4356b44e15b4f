"""Durable, audited grants: the use case as the administration port runs it, one caller at a time.

Beside it, in turn, one bare SQLAlchemy insert and commit on the same kind of database, on SQLite
in a file of its own: two writers of one file would pay for each other's checkpoints.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import count
from typing import Final

from sqlalchemy import Column, Integer, MetaData, Table, Text, create_engine, insert

from authz_service.app import new_id, now
from authz_service.domain.audit import Actor
from authz_service.domain.call import Call
from authz_service.replication.replica import Replica
from authz_service.store.database import Database
from authz_service.store.unit_of_work import Store
from authz_service.usecases.execution import Executor
from authz_service.usecases.role_grants import GrantRole, grant_role
from tests.bench import databases
from tests.bench.figures import Topic
from tests.bench.run import Run
from tests.bench.worlds import KEY, MEDIUM
from tests.postgres import fresh_database, postgres_server

WARM_UP: Final = 200
_YARDSTICK: Final = Table(
    "yardstick", MetaData(), Column("id", Integer, primary_key=True), Column("body", Text)
)


def measure(run: Run) -> Topic:
    topic = Topic("Durable grants with audit entry, request id and revision, at 110k grants")
    file, other = f"sqlite:///{run.folder}/grants.db", f"sqlite:///{run.folder}/bare.db"
    databases.make(file, MEDIUM)
    # Design, section 9: 2.5k/s where a bare insert made 3.7k/s, and 800/s where it made 1.3k/s.
    _compare(run, topic, "SQLite FULL", (file, other), (2500, 3700))
    with postgres_server(fsync=True) as server, fresh_database(server) as url:
        databases.make(url, MEDIUM)
        _compare(run, topic, "PostgreSQL", (url, url), (800, 1300))
    return topic


def _compare(
    run: Run, topic: Topic, name: str, urls: tuple[str, str], goal: tuple[float, float]
) -> None:
    ours, bare = [], []
    with _granting(urls[0]) as grant, _inserting(urls[1]) as insert_bare:
        _rate(grant, WARM_UP)
        _rate(insert_bare, WARM_UP)
        for _ in range(run.pick(16, 6)):
            bare.append(_rate(insert_bare, run.pick(250, 100)))
            ours.append(_rate(grant, run.pick(250, 100)))
    topic.add(f"{name}: audited grant", "/s", ours, at_least=goal[0])
    topic.add(f"{name}: bare insert and commit", "/s", bare, more_is_better=True)
    topic.compare(f"{name}: grant / bare insert", ours, bare, at_least=goal[0] / goal[1])


def _rate(once: Callable[[], object], times: int) -> float:
    start = time.perf_counter()
    for _ in range(times):
        once()
    return times / (time.perf_counter() - start)


@contextmanager
def _granting(url: str) -> Iterator[Callable[[], object]]:
    """Lend a function that grants a role to someone who does not have it."""
    database = Database(url)
    replica = Replica(database)
    replica.load()
    store = Store(database, replica, now, new_id)
    executor = Executor(store, lambda: replica.index, now)
    grants, numbers, actor = MEDIUM.new_grants(), count(), Actor(KEY.subject)

    def grant() -> object:
        number = next(numbers)
        call = Call(actor, request_id=f"request-{number:09}", fingerprint=f"{number:064x}")
        return executor.change(call, grant_role, GrantRole(grant=next(grants)))

    try:
        yield grant
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
