"""The unit of work: the one way in which anything is written.

In one database transaction: facts and their Casbin rules, the audit entries, the next revision,
its change-log row and the first answer to the request. Leaving the block commits, an exception
rolls back, and a change that nobody recorded cannot commit.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field, replace
from functools import partial

import structlog
from sqlalchemy import Connection

from authz_service.domain.audit import DONE, Actor, AuditRecord
from authz_service.domain.billing_part import BillingPart
from authz_service.domain.call import Call
from authz_service.domain.change import (
    Blocker,
    Delta,
    Fact,
    FactChange,
    Revision,
    ScheduledChangeset,
)
from authz_service.domain.job import Job
from authz_service.domain.tenant import SYSTEM
from authz_service.domain.tier_versions import numbered
from authz_service.domain.window import Instant
from authz_service.engine import invariants, sold_limits
from authz_service.engine.builder import apply
from authz_service.engine.index import Index
from authz_service.engine.scheduled import due
from authz_service.errors import ErrorReason, Internal
from authz_service.store import answers, policy_versions, writing
from authz_service.store.answers import FirstAnswer
from authz_service.store.database import INTEGRITY, Database
from authz_service.store.follower import Follower
from authz_service.store.heads import CheckClock, Heads
from authz_service.store.seals import Seals
from authz_service.store.statement import pipelined
from authz_service.store.turn import Turn

log = structlog.get_logger()


@dataclass(slots=True)
class Transaction:
    """One change in the making.

    `index` holds all facts at the locked head, which nobody can move before this transaction ends:
    what it says stays true until then. `now` is the instant of the change.
    """

    connection: Connection
    index: Index
    call: Call
    now: Instant
    new_id: Callable[[], str]
    changes: list[FactChange] = field(default_factory=list)
    records: list[AuditRecord] = field(default_factory=list)
    jobs: list[Job] = field(default_factory=list)
    answer: str | None = None
    seals: Seals = field(default_factory=Seals)

    @property
    def revision(self) -> Revision:
        """The revision this transaction makes; the head's as long as it changes nothing."""
        return self.index.revision + bool(self.changes)

    def change(self, before: Fact | None, after: Fact | None) -> None:
        """Make, end or replace one fact; nothing happens if both are equal."""
        if before != after:
            self.changes.append(FactChange(before, after))

    def after(self) -> Index:
        """Give the index as it will be, as far as this transaction has come."""
        return apply(self.index, self.delta()) if self.changes else self.index

    def delta(self) -> Delta:
        """Give all that is changed, as far as this transaction has come."""
        return Delta(self.revision, tuple(self.changes), self.now)

    def record(self, record: AuditRecord) -> None:
        """Say what was changed and why. Every transaction that changes something says so."""
        self.records.append(record)

    def enqueue(self, job: Job) -> None:
        """Have work done after the commit, and none of it if there is no commit."""
        self.jobs.append(job)

    def first_answer(self) -> FirstAnswer | None:
        """Find the answer that an earlier call with this caller's request id was given.

        Raises:
            AlreadyExists: REQUEST_ID_REUSED, if that call asked for something else.
        """
        return answers.find(self.connection, self.call)


def number_tiers(tx: Transaction) -> None:
    """Make a version of every tier whose content changes, and keep the superseded one."""
    numbering = numbered(tx.index.plans, tx.changes)
    if numbering is None:
        return
    tx.changes[:] = numbering.changes
    reason = tx.call.reason
    for before, after in numbering.followed:
        tx.changes.append(FactChange(before, after))
        tx.record(AuditRecord("tier.versioned", SYSTEM, (after.id,), before, after, reason))
    for plan in numbering.kept:
        tx.changes.append(FactChange(None, plan))
        tx.record(AuditRecord("tier.version_kept", SYSTEM, (plan.id,), None, plan, reason))
    for plan in numbering.dropped:
        tx.changes.append(FactChange(plan, None))
        tx.record(AuditRecord("tier.version_dropped", SYSTEM, (plan.id,), plan, None, reason))


def come_due(tx: Transaction, changeset: ScheduledChangeset) -> Transaction:
    """Make a scheduled change a revision of its own, by who scheduled it; return how it was made.

    `tx` lends the connection, the index and the instant, and is left as it is.
    """
    action = "changeset.came_due" if changeset.blocker is None else "changeset.lapsed"
    record = AuditRecord(action, SYSTEM, (changeset.id,), changeset, None, changeset.reason)
    step = replace(
        tx,
        call=Call(changeset.by, reason=changeset.reason),
        changes=[FactChange(changeset, None), *changeset.changes],
        records=[record, *changeset.records],
        jobs=[],
        answer=None,
    )
    written(step)
    return step


def brought_to(tx: Transaction, until: tuple[Instant, str]) -> Iterator[Transaction]:
    """Let a transaction begin after all that is scheduled before a place; iterate over how.

    What cannot be written lapses: else no change could be made any more, not even its cancelling.
    """
    for changeset in due(tx.index, until):
        try:
            with tx.connection.begin_nested():
                step = come_due(tx, changeset)
                after = step.after()
        except (Internal, ValueError, *INTEGRITY) as error:
            log.critical("what was scheduled cannot be done", id=changeset.id, error=str(error))
            blocker = Blocker(ErrorReason.INTERNAL, str(error))
            step = come_due(tx, replace(changeset, changes=(), records=(), blocker=blocker))
            after = step.after()
        tx.index = after
        yield step


@contextmanager
def undone(tx: Transaction) -> Iterator[Transaction]:
    """Lend a transaction whose writes are undone when the block ends."""
    savepoint = tx.connection.begin_nested()
    try:
        yield replace(tx, changes=[], records=[], jobs=[], answer=None)
    finally:
        savepoint.rollback()


def written(tx: Transaction) -> None:
    """Write all that a transaction did, as the next revision if it changed any fact."""
    connection = tx.connection
    delta = tx.delta() if tx.changes else None
    if any(isinstance(change.fact, BillingPart) for change in tx.changes):
        policy_versions.advance(connection, tx.revision)
    closing, opening = writing.difference(delta) if delta else ([], [])
    writing.close_rows(connection, closing, tx.revision)
    entries = writing.sealed(connection, tx.records, tx.changes, tx.call, tx.now, tx.revision)
    with pipelined(connection):
        writing.open_rows(connection, opening, tx.revision)
        writing.append_entries(connection, entries)
        if tx.call.request_id and tx.answer is not None:
            answers.keep(connection, tx.call, tx.now, tx.revision, tx.answer)
        if delta is not None:
            writing.advance_head(connection, delta)


Replan = Callable[[Transaction, Sequence[FactChange]], None]


class Store:
    """Opens transactions on one database, one writer at a time in this process.

    `changes` counts, by action, the audit entries of transactions that changed something, and
    `entries` all audit entries by outcome, `done` or `refused`, since this process started.
    """

    def __init__(
        self,
        database: Database,
        follower: Follower,
        clock: Callable[[], Instant],
        new_id: Callable[[], str],
        outbox: Callable[[Transaction], None] | None = None,
        replan: Replan | None = None,
        check_clock: CheckClock | None = None,
        seals: Seals | None = None,
    ) -> None:
        """`check_clock` is told the database's time, if it has a clock of its own, and refuses to
        commit by one that is far ahead of it. `outbox` enqueues, in each transaction that commits,
        what is to be done after it.

        `replan` works out anew what is scheduled: it is given a transaction after the changes of
        the one before it. None where nothing is ever scheduled.
        """
        self.database = database
        self.seals = seals or Seals()
        self._outbox = outbox
        self._replan = replan
        self._follower = follower
        self._clock = clock
        self._begun = partial(Transaction, new_id=new_id, seals=self.seals)
        self.heads = Heads(database, follower, clock, new_id, check_clock)
        self.changes: Counter[str] = Counter()
        self.entries: Counter[str] = Counter()
        self._turn = Turn()

    @contextmanager
    def transaction(
        self, call: Call, *, patience: float | None = None, first: bool = False
    ) -> Iterator[Transaction]:
        """Open a transaction at the head. On return the replicas of this `serve` have applied it.

        Under `call.validate_only` the block runs in full and then everything is rolled back.
        `patience` are the seconds to wait for other changes, if not as long as usual; `first` has
        it wait for none but those that are first too, as what takes access away is.

        Raises:
            Unavailable: DATABASE_UNAVAILABLE; whether a commit that failed took place is not
                known, and a retry under the same request id will tell.
            Internal: the block changed something and recorded nothing.
            FailedPrecondition: the change would break one of `engine/invariants.py`, or
                of `engine/sold_limits.py`.
        """
        with self._turn.next(patience or self.database.busy_seconds, first=first):
            steps: list[Transaction] = []
            with self.database.write(patience=patience) as connection:
                head = self.heads.lock(connection, trial=call.validate_only)
                index = self._follower.at(head, connection)
                tx = self._begun(connection, index, call, self._clock())
                if tx.now >= index.due:
                    steps += self._come_due(tx)
                yield tx
                if tx.changes and not tx.records:
                    raise Internal(ErrorReason.INTERNAL, "an unexplained change cannot commit")
                number_tiers(tx)
                invariants.require_kept(tx.index, tx.changes, tx.now)
                sold_limits.require_counted(tx.index, tx.changes)
                if call.validate_only:
                    connection.rollback()
                    steps.clear()
                else:
                    self._write(tx)
                    steps += (tx, *self._planned_anew(tx))
            for step in steps:
                self._count(step)
                if step.changes:
                    self._follower.advance(step.delta())
                    self.database.last_commit.note(step.revision, step.now)
        if any(step.changes for step in steps):
            self._follower.await_replicas(steps[-1].revision)

    @contextmanager
    def aside(self, call: Call) -> Iterator[Transaction]:
        """Open a transaction that changes no fact, so that no change waits for it, nor it for one.

        `index` is what this process saw last. SQLite has one writer: there it is a short turn.

        Raises:
            Unavailable: DATABASE_UNAVAILABLE.
            Internal: the block changed a fact or recorded something.
        """
        alone = self.database.dialect == "sqlite"
        turn = self._turn.next(self.database.busy_seconds) if alone else nullcontext()
        with turn, self.database.write() as connection:
            tx = self._begun(connection, self._follower.index, call, self._clock())
            yield tx
            if tx.changes or tx.records:
                raise Internal(ErrorReason.INTERNAL, "a change was made beside the head")
            if call.request_id and tx.answer is not None:
                answers.keep(connection, call, tx.now, tx.revision, tx.answer)

    @property
    def index(self) -> Index:
        """What this process saw last."""
        return self._follower.index

    def now(self) -> Instant:
        """Tell the time as transactions do."""
        return self._clock()

    def apply_due(self) -> None:
        """Make facts of what has come due; nothing is asked of the database if nothing has."""
        if self._clock() >= self._follower.index.due:
            with self.transaction(Call(Actor(""))):
                pass

    def _come_due(self, tx: Transaction) -> Iterator[Transaction]:
        for step in brought_to(tx, (tx.now + 1, "")):
            if self._outbox is not None:
                self._outbox(step)
            yield step

    def _planned_anew(self, tx: Transaction) -> Iterator[Transaction]:
        """Work out anew, in a revision of its own, what the transaction makes come otherwise."""
        schedules = (isinstance(change.fact, ScheduledChangeset) for change in tx.changes)
        if self._replan is None or not tx.changes or not (tx.index.scheduled or any(schedules)):
            return
        step = self._begun(tx.connection, tx.after(), Call(tx.call.actor), tx.now)
        self._replan(step, tx.changes)
        if step.changes:
            self._write(step)
            yield step

    def _write(self, tx: Transaction) -> None:
        written(tx)
        if self._outbox is not None:
            self._outbox(tx)

    def _count(self, tx: Transaction) -> None:
        if tx.changes:
            self.changes.update(record.action for record in tx.records)
        self.entries.update(
            "done" if record.outcome == DONE else "refused" for record in tx.records
        )
