"""What is in force at an instant, when some of it was scheduled: no clock, no worker, no write."""

from collections.abc import Iterable

from authz_service.domain.change import FactChange, ScheduledChangeset
from authz_service.domain.window import Instant
from authz_service.engine.builder import Builder
from authz_service.engine.index import Index


def in_force(index: Index, at: Instant) -> Index:
    """Give the index that decides at an instant: with all done that was scheduled up to it.

    It is made once, and is of the same revision: nothing was committed. A delta is applied to the
    index of its revision alone, never to what this gives.
    """
    while at >= index.due:
        index = index.successor or _succeeded(index)
    return index


def due(index: Index, until: tuple[Instant, str]) -> list[ScheduledChangeset]:
    """List what is scheduled before a place, in the order in which it comes into force."""
    changes = (change for change in index.scheduled.values() if change.place < until)
    return sorted(changes, key=lambda change: change.place)


def _succeeded(index: Index) -> Index:
    first = min(index.scheduled.values(), key=lambda change: change.place)
    ended = FactChange(first, None)
    try:
        next_index = _made(index, (ended, *first.changes))
    except ValueError:
        # It ends what is not there: memory and database have come apart, and checks must go on.
        # The unit of work, which finds the same, lets it lapse.
        next_index = _made(index, (ended,))
    # Two threads may both make it; either's is as good.
    index.successor = next_index
    return next_index


def _made(index: Index, changes: Iterable[FactChange]) -> Index:
    builder = Builder(index)
    for change in changes:
        builder.change(change)
    return builder.finish(index.revision)
