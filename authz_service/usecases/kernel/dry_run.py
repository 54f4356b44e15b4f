"""Changes that are made for show, and changes that build on those of the same transaction."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from itertools import count

from authz_service.domain.audit import Actor
from authz_service.domain.call import Call
from authz_service.domain.window import Instant
from authz_service.engine.builder import apply
from authz_service.engine.index import Index
from authz_service.store import change_log, histories
from authz_service.store.database import Connection
from authz_service.store.unit_of_work import Transaction, brought_to, undone
from authz_service.usecases.kernel.execution import View
from authz_service.usecases.kernel.previews import index_with


@contextmanager
def dry_run(view: View) -> Iterator[Transaction]:
    """Lend a transaction that is never written, at the head of the database."""
    with view.database.read() as connection:
        yield _made_up(view, connection)


@contextmanager
def dry_run_at(
    view: View, at: Instant | None, *, writing: bool = False
) -> Iterator[tuple[Transaction, Transaction]]:
    """Lend such a transaction at the head, and the one that it would be at an instant.

    Meanwhile nobody else writes: what is scheduled up to the instant is written and undone. So is
    what a dry run writes that is `writing`: rows that are no facts.
    """
    if at is None and not writing:
        with dry_run(view) as tx:
            yield tx, tx
        return
    with view.database.write() as connection:
        histories.lock_head(connection)
        tx = _made_up(view, connection)
        with at_instant(tx, at) as step:
            yield tx, step
        connection.rollback()


@contextmanager
def at_instant(tx: Transaction, at: Instant | None) -> Iterator[Transaction]:
    """Lend a transaction as it would be at an instant, and undo what it writes; None is now."""
    if at is None:
        yield tx
        return
    with undone(tx) as step:
        step.now = at
        for _ in brought_to(step, (at + 1, "")):
            pass
        yield step


@contextmanager
def next_step(tx: Transaction) -> Iterator[Transaction]:
    """Lend a transaction that sees what this one has made so far; what it makes is added here."""
    step = replace(tx, index=ahead(tx), changes=[], records=[])
    yield step
    tx.changes += step.changes
    tx.records += step.records


def ahead(tx: Transaction) -> Index:
    """Give the index with what was made so far, still at the head's revision."""
    return index_with(tx.index, tx.changes)


def _made_up(view: View, connection: Connection) -> Transaction:
    """Make a transaction at the head, which may be later than what the view looks at."""
    numbers, index = count(1), view.index
    for delta in change_log.read_after(connection, index.revision):
        index = apply(index, delta)
    return Transaction(connection, index, Call(Actor("")), view.now, lambda: f"new-{next(numbers)}")
