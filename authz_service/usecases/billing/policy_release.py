"""Events that were parked because of the billing policy, read again once it has changed."""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from authz_service.domain.audit import Actor
from authz_service.domain.billing_documents import PartKind
from authz_service.domain.billing_event import StoredEvent
from authz_service.domain.billing_policy import BillingPolicy
from authz_service.domain.call import Call
from authz_service.store import event_prices, events
from authz_service.store.unit_of_work import Store, Transaction
from authz_service.usecases.billing import ingestion
from authz_service.usecases.billing.ingestion import Taken
from authz_service.usecases.billing.interpretation import read
from authz_service.usecases.billing.policy_writing import PartChange
from authz_service.usecases.billing.values import Unreadable
from authz_service.usecases.kernel.billing_policy import in_force
from authz_service.usecases.kernel.dry_run import next_step

AT_ONCE: Final = 500
"""Events that one call releases."""


@dataclass(frozen=True, slots=True)
class Released:
    """Events that were read again, and how many of the same prices still wait for that."""

    events: tuple[Taken, ...] = ()
    still_parked: int = 0


NOTHING: Final = Released()


def release(tx: Transaction, changes: Sequence[PartChange]) -> Released:
    """Read again what waited for the parts that are there now, in the transaction that made them.

    Neither a paused intake nor an open breaker lets them through.
    """
    places = [change.place for change in changes if change.after is not None]
    prices = [name for kind, name in places if kind is PartKind.PRICE]
    sources = [name for kind, name in places if kind is PartKind.SOURCE]
    with next_step(tx) as step:
        policy = in_force(step.index)
        waiting = event_prices.waiting_for(step.connection, prices, AT_ONCE) if prices else []
        waiting += _understood(step, policy, sources)
        taken = ingestion.process(step, policy, waiting) if waiting else []
    left = event_prices.count_waiting_for(tx.connection, prices) if prices else 0
    return Released(tuple(taken), left)


def release_mapped(store: Store, by: Actor) -> int:
    """Read again what waits for prices that are mapped by now, at most so many at once: what a
    changeset has mapped at its instant, or what was too much for the call that mapped it.
    """
    with store.database.read() as connection:
        waiting = event_prices.unmapped(connection, "", AT_ONCE)
    mapped = [price.id for price in waiting if price.id in in_force(store.index).prices]
    if not mapped:
        return 0
    with store.transaction(Call(by)) as tx:
        rows = event_prices.waiting_for(tx.connection, mapped, AT_ONCE)
        return len(ingestion.process(tx, in_force(tx.index), rows))


def _understood(
    tx: Transaction, policy: BillingPolicy, sources: Collection[str]
) -> Iterator[StoredEvent]:
    """Iterate over the events of sources that the policy could not make out before, and can now."""
    for source in sources:
        after = 0
        while batch := events.not_understood(tx.connection, source, after, AT_ONCE):
            after = batch[-1].number
            for stored in batch:
                if _readable(policy, stored, tx.now):
                    yield stored


def _readable(policy: BillingPolicy, stored: StoredEvent, now: int) -> bool:
    try:
        read(policy, stored.event, now)
    except Unreadable:
        return False
    return True
