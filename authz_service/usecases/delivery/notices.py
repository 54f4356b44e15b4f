"""Notices of dated changes: scheduled changes, ends of trials, expiries.

The thing itself is a dated fact and needs nobody. A notice is given once for each thing and each of
the chosen numbers of days before it, however often and by however many processes it is looked for.
"""

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from typing import Final

from authz_service.domain.audit import AuditRecord
from authz_service.domain.endpoint import Endpoint
from authz_service.domain.job import Job, JobKind
from authz_service.domain.schedule import ScheduledChange, scheduled, written
from authz_service.domain.tenant import SYSTEM, TenantState
from authz_service.domain.window import Instant, rfc3339
from authz_service.engine.index import Index
from authz_service.store import event_prices
from authz_service.store.database import Connection
from authz_service.store.facts import Facts
from authz_service.usecases.delivery.outbox import delivery

DAY: Final = 86_400_000_000

TRIAL: Final = "notice.trial_ends"
SCHEDULED: Final = "notice.change_scheduled"
EXPIRY: Final = "notice.expires"
PRICE: Final = "notice.price_unmapped"

_MOST_PRICES: Final = 100


@dataclass(frozen=True, slots=True)
class Ahead:
    """Something that happens at `at`. `id` is the same however often it is found."""

    action: str
    tenant: str
    id: str
    what: str
    at: Instant


def ahead(connection: Connection, index: Index, now: Instant, until: Instant) -> Iterator[Ahead]:
    """Find everything that happens after `now` and up to `until`."""
    for name, entry in index.tenants.items():
        if name == SYSTEM:
            continue
        for change in scheduled(entry.fact, now):
            if change.at <= until:
                yield _scheduled(change)
        for exception in entry.exceptions:
            if now < exception.window.valid_until <= until:
                what = f"exception {exception.id} ends"
                end = exception.window.valid_until
                yield Ahead(EXPIRY, name, f"exception:{exception.id}", what, end)
    yield from _keys(index, now, until)
    yield from _grants(connection, now, until)


def notices(
    index: Index,
    announcements: Collection[Ahead],
    now: Instant,
    days: Collection[int],
    mailing: bool,
    new_id: Callable[[], str],
) -> Iterator[Job]:
    """Make the jobs for what lies ahead: of the numbers of days that have been reached, the
    smallest counts, so that what was scheduled late is told once.
    """
    for announcement in announcements:
        reached = [number for number in days if now >= announcement.at - number * DAY]
        if reached:
            key = f"{announcement.tenant}/{announcement.id}@{announcement.at}/{min(reached)}"
            if mailing:
                yield _mail(index, announcement, key, now, new_id())
            for endpoint in _listening(index, announcement):
                yield _webhook(endpoint, announcement, key, index.revision, now, new_id)


def price_alerts(
    connection: Connection, index: Index, now: Instant, new_id: Callable[[], str]
) -> Iterator[Job]:
    """Make the jobs that tell of prices which billing events wait for: one for each price, however
    many events name it, until it is mapped and removed again.
    """
    for price in event_prices.unmapped(connection, "", _MOST_PRICES):
        what = f"price {price.id} is not in the billing policy"
        alert = Ahead(PRICE, SYSTEM, f"price:{price.id}", what, price.first)
        key = f"{alert.id}@{event_prices.last_mapped(connection, price.id)}"
        for endpoint in _listening(index, alert):
            yield _webhook(endpoint, alert, key, index.revision, now, new_id)


def _scheduled(change: ScheduledChange) -> Ahead:
    trial = change.before is TenantState.TRIAL
    gives_way = (
        f"{written(change.before) or 'nothing'} gives way to {written(change.after) or 'nothing'}"
    )
    what = "the trial ends" if trial else f"{change.kind.value}: {gives_way}"
    return Ahead(TRIAL if trial else SCHEDULED, change.tenant, change.id, what, change.at)


def _keys(index: Index, now: Instant, until: Instant) -> Iterator[Ahead]:
    for key in index.keys.values():
        if now < key.expires_at <= until:
            yield Ahead(
                EXPIRY, SYSTEM, f"key:{key.id}", f"API key {key.id} expires", key.expires_at
            )


def _grants(connection: Connection, now: Instant, until: Instant) -> Iterator[Ahead]:
    for grant in Facts(connection).role_grants_ending(now, until):
        what = f"role {grant.role} of {grant.subject} ends"
        yield Ahead(EXPIRY, grant.tenant, f"grant:{grant.id}", what, grant.window.valid_until)


def _listening(index: Index, announcement: Ahead) -> list[Endpoint]:
    return [
        endpoint
        for endpoint in index.endpoints.values()
        if endpoint.listens(announcement.action, announcement.tenant)
    ]


def _mail(index: Index, announcement: Ahead, key: str, now: Instant, job_id: str) -> Job:
    tenant = index.tenant(announcement.tenant)
    data = {
        "display_name": (tenant.display_name if tenant else "") or announcement.tenant,
        "what": announcement.what,
        "when": rfc3339(announcement.at),
    }
    kind = JobKind.NOTICE
    return Job(
        f"job-{job_id}",
        kind,
        announcement.tenant,
        f"mail/notice/{key}",
        announcement.id,
        announcement.action,
        data,
        created_at=now,
        next_at=now,
    )


def _webhook(
    endpoint: Endpoint,
    announcement: Ahead,
    key: str,
    revision: int,
    now: Instant,
    new_id: Callable[[], str],
) -> Job:
    record = AuditRecord(
        announcement.action, announcement.tenant, (announcement.id, rfc3339(announcement.at))
    )
    return delivery(new_id, endpoint.id, record, revision, now, f"notice/{key}")
