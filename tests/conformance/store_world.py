"""What a process has of a database: store and replica, a clock that stands still, ids that count.

Several of them on one database are several processes' worth.
"""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from itertools import count
from typing import Final

from authz_service.app import door
from authz_service.domain.audit import Actor, AuditRecord
from authz_service.domain.call import Call
from authz_service.domain.change import Fact, FactChange, Revision
from authz_service.domain.tenant import SYSTEM
from authz_service.domain.window import Instant
from authz_service.engine.index import Index
from authz_service.replication.replica import Replica
from authz_service.replication.time import Time
from authz_service.store import snapshot
from authz_service.store.database import Database
from authz_service.store.facts import Facts
from authz_service.store.unit_of_work import Store, Transaction
from authz_service.usecases.changesets.replanning import replan
from authz_service.usecases.kernel.executor import Executor

NOON: Final[Instant] = 1_750_000_000_000_000
"""15 June 2025."""

OPS: Final = Actor("service:ops")
CALL: Final = Call(OPS)


class Clock:
    """Stands still until a test moves it."""

    def __init__(self, now: Instant = NOON) -> None:
        self.now = now

    def __call__(self) -> Instant:
        return self.now


class StoreWorld:
    """One process's worth. Every method that writes returns the revision it made."""

    def __init__(
        self, url: str, *, name: str = "a", busy_seconds: float = 10.0, replans: bool = False
    ) -> None:
        """`replans` lets it plan anew what is scheduled, as a server does."""
        self.url = url
        self._replans = replans
        self.clock = Clock()
        self.database = Database(url, busy_seconds=busy_seconds)
        self.replica = Replica(self.database, Time(door.now))
        self._name = name
        self._ids = count(1)
        self._others = ExitStack()
        self.store = Store(
            self.database, self.replica, self.clock, self.new_id, replan=replan if replans else None
        )
        self.executor = Executor(self.store, lambda: self.replica.index, self.clock)

    @property
    def index(self) -> Index:
        return self.replica.index

    def new_id(self) -> str:
        return f"{self._name}{next(self._ids):06}"

    def another(self, name: str = "b", *, busy_seconds: float = 10.0) -> "StoreWorld":
        """Give another process's worth of the same database, loaded, with the same clock."""
        made = self._others.enter_context(
            opened(self.url, name=name, busy_seconds=busy_seconds, replans=self._replans)
        )
        made.clock.now = self.clock.now
        return made

    def put(self, *facts: Fact) -> Revision:
        """Make the facts in one transaction."""
        return self.commit(*(FactChange(None, fact) for fact in facts))

    def replace(self, before: Fact, after: Fact) -> Revision:
        return self.commit(FactChange(before, after))

    def end(self, *facts: Fact) -> Revision:
        return self.commit(*(FactChange(fact, None) for fact in facts))

    def commit(self, *changes: FactChange, tenant: str = SYSTEM) -> Revision:
        """Make the changes in one transaction, audited in the tenant's chain."""

        def body(tx: Transaction) -> None:
            for change in changes:
                tx.change(change.before, change.after)
            tx.record(AuditRecord("test.changed", tenant, ("some:thing",)))

        return self.run(body).revision

    def run(self, body: Callable[[Transaction], object], call: Call = CALL) -> Transaction:
        """Run a transaction; it has come to its end when it is returned."""
        with self.store.transaction(call) as tx:
            body(tx)
        return tx

    @contextmanager
    def facts(self, revision: Revision | None = None) -> Iterator[Facts]:
        with self.database.read() as connection:
            yield Facts(connection, revision)

    def stored_index(self) -> Index:
        """Read the index of the head from the database."""
        with self.database.read() as connection:
            return snapshot.read_index(connection)

    def close(self) -> None:
        self._others.close()
        self.database.close()


@contextmanager
def opened(
    url: str, *, name: str = "a", busy_seconds: float = 10.0, replans: bool = False
) -> Iterator[StoreWorld]:
    """Open a migrated database and load its replica."""
    world = StoreWorld(url, name=name, busy_seconds=busy_seconds, replans=replans)
    try:
        world.replica.load()
        yield world
    finally:
        world.close()
