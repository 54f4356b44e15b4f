"""Changes that are made for show, and changes that build on those of the same transaction."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from itertools import count

from authz_service.domain.audit import Actor
from authz_service.domain.call import Call
from authz_service.engine.builder import Builder, apply
from authz_service.engine.index import Index
from authz_service.store import change_log
from authz_service.store.unit_of_work import Transaction
from authz_service.usecases.execution import View


@contextmanager
def rehearsal(view: View) -> Iterator[Transaction]:
    """Lend a transaction that is never written, at the head of the database."""
    numbers = count(1)
    with view.database.read() as connection:
        index = view.index
        for delta in change_log.read_after(connection, index.revision):
            index = apply(index, delta)
        yield Transaction(
            connection, index, Call(Actor("")), view.now, lambda: f"new-{next(numbers)}"
        )


@contextmanager
def next_step(tx: Transaction) -> Iterator[Transaction]:
    """Lend a transaction that sees what this one has made so far; what it makes is added here."""
    step = replace(tx, index=ahead(tx), changes=[], events=[])
    yield step
    tx.changes += step.changes
    tx.events += step.events


def ahead(tx: Transaction) -> Index:
    """Give the index with what was made so far, still at the head's revision."""
    builder = Builder(tx.index)
    for change in tx.changes:
        builder.change(change)
    return builder.finish(tx.index.revision)
