"""Events that wait for a price which the billing policy does not have, beside `events.py`."""

from collections import defaultdict
from collections.abc import Collection
from dataclasses import dataclass

from sqlalchemy import Connection, func, select

from authz_service.domain.billing_event import StoredEvent
from authz_service.domain.billing_part import BillingPrice
from authz_service.domain.window import Instant
from authz_service.store import schema
from authz_service.store.events import event, read_events


@dataclass(frozen=True, slots=True)
class UnmappedPrice:
    """A price that events wait for: of which sources, how many, and when they came."""

    id: str
    sources: tuple[str, ...]
    count: int
    first: Instant
    last: Instant


def waiting_for(connection: Connection, prices: Collection[str], at_most: int) -> list[StoredEvent]:
    """List up to so many events that wait for one of the prices, oldest first."""
    query = select(event).where(event.c.waits_for.in_(prices))
    return read_events(connection, query.order_by(event.c.number).limit(at_most).with_for_update())


def count_waiting_for(connection: Connection, prices: Collection[str]) -> int:
    query = select(func.count()).select_from(event).where(event.c.waits_for.in_(prices))
    return int(connection.execute(query).scalar_one())


def count_unmapped(connection: Connection) -> int:
    """Count the prices that events wait for."""
    query = select(func.count(event.c.waits_for.distinct())).where(event.c.waits_for != "")
    return int(connection.execute(query).scalar_one())


def last_mapped(connection: Connection, price: str) -> int:
    """Tell in which revision the policy last lost a price; 0 if it never had it."""
    closed = schema.kept_fact.c.closed_revision
    query = select(func.max(closed)).where(
        schema.kept_fact.c.kind == BillingPrice.__name__, schema.kept_fact.c.key == price
    )
    return connection.execute(query).scalar_one() or 0


def unmapped(connection: Connection, after: str, at_most: int) -> list[UnmappedPrice]:
    """List prices that events wait for by id, those after `after`."""
    waits_for, came = event.c.waits_for, event.c.received_at
    totals = (
        select(waits_for, func.count(), func.min(came), func.max(came))
        .where(waits_for != "", waits_for > after)
        .group_by(waits_for)
        .order_by(waits_for)
        .limit(at_most)
    )
    rows = connection.execute(totals).all()
    sources = _sources(connection, [row[0] for row in rows])
    return [UnmappedPrice(row[0], tuple(sorted(sources[row[0]])), *row[1:]) for row in rows]


def _sources(connection: Connection, prices: Collection[str]) -> defaultdict[str, set[str]]:
    query = select(event.c.waits_for, event.c.source).where(event.c.waits_for.in_(prices))
    by_price: defaultdict[str, set[str]] = defaultdict(set)
    for price, source in connection.execute(query.distinct()):
        by_price[price].add(source)
    return by_price
