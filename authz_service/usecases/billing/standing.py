"""A tenant's contract without some events and with them: from what is kept, or from all events."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from pydantic import TypeAdapter

from authz_service.domain.agreement_course import Meaning, Name
from authz_service.domain.billing_event import WAITING, EventState, StoredEvent
from authz_service.domain.contract import Contract, Merging, fold
from authz_service.domain.running_contract import RunningContract, started
from authz_service.store import events
from authz_service.store.database import Connection
from authz_service.store.events import Counted
from authz_service.usecases.billing.interpretation import MEANING

_RUNNING: Final = TypeAdapter(RunningContract)


@dataclass(frozen=True, slots=True)
class Standing:
    """A tenant's contract without some events and with them; `running` is to be kept of it."""

    before: Contract
    after: Contract
    running: RunningContract
    released: tuple[StoredEvent, ...] = ()
    """Events that waited for the account to be opened, or for their order to be told."""

    unclear: tuple[StoredEvent, ...] = ()
    """Events, applied until now, whose order cannot be told any more beside the fresh ones."""


def added(
    connection: Connection,
    tenant: str,
    fresh: Sequence[StoredEvent],
    meanings: Sequence[Meaning],
    merging: Merging,
) -> Standing:
    """Add fresh events to what is kept. If one came late, or counted before, read all of them."""
    record = events.running_contract(connection, tenant)
    if record is not None and not record[1] and not any(map(_counted, fresh)):
        running: RunningContract | None = _RUNNING.validate_json(record[0])
        if running is not None and running.order == merging.order:
            before = running.contract(merging)
            for meaning in meanings:
                running = None if running is None else running.joined(meaning, merging)
            if running is not None:
                return _shifted(connection, fresh, before, running, merging)
    return anew(connection, tenant, fresh, meanings, merging)


def anew(
    connection: Connection,
    tenant: str,
    fresh: Sequence[StoredEvent],
    meanings: Iterable[Meaning],
    merging: Merging,
) -> Standing:
    """Compute a tenant's contract from all events, without and with the fresh ones.

    A fresh event that was applied before, and is replayed, counts before as it was read then.
    """
    numbers = {row.number for row in fresh}
    others = events.of_tenant(connection, tenant)
    rows = [row for row in others if row.number not in numbers]
    applied = [row for row in rows if row.state is EventState.APPLIED]
    waiting = [row for row in rows if _waits(row)]
    replayed = [r for r in others if r.number in numbers and r.state is EventState.APPLIED]
    earlier = [MEANING.validate_json(row.meaning) for row in (*applied, *waiting)]
    old = [MEANING.validate_json(row.meaning) for row in (*applied, *replayed)]
    running = started([*earlier, *meanings], merging)
    after = running.contract(merging)
    return Standing(
        fold(old, merging),
        after,
        running,
        _found(connection, {row.name for row in waiting} - after.unclear),
        _found(connection, {row.name for row in applied} & after.unclear),
    )


def keep(connection: Connection, tenant: str, current: Standing, *, waiting: bool = False) -> None:
    """Keep what the next event is added to. `waiting`: all of it waits for the account."""
    body = _RUNNING.dump_json(current.running, exclude_defaults=True).decode()
    events.keep_running_contract(connection, tenant, body, waiting)


def _shifted(
    connection: Connection,
    fresh: Sequence[StoredEvent],
    before: Contract,
    running: RunningContract,
    merging: Merging,
) -> Standing:
    """Name the events beside the fresh ones whose order can be told now, or cannot any more."""
    after, own = running.contract(merging), {row.event.name for row in fresh}
    released = _found(connection, before.unclear - after.unclear - own)
    unclear = _found(connection, after.unclear - before.unclear - own)
    return Standing(before, after, running, released, unclear)


def _found(connection: Connection, names: Iterable[Name]) -> tuple[StoredEvent, ...]:
    rows = (events.find_to_change(connection, source, id_) for source, id_ in sorted(names))
    return tuple(row for row in rows if row is not None)


def _counted(row: StoredEvent | Counted) -> bool:
    return row.state is EventState.APPLIED or _waits(row)


def _waits(row: StoredEvent | Counted) -> bool:
    return row.state is EventState.PARKED and row.reason in WAITING
