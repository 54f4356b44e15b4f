"""The outbox: the jobs that a transaction causes, derived from what it records.

No use case asks for a mail: recording that an invitation was created, on whatever path, sends it,
and endpoints are notified of the actions they listen to.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Final, Protocol

from authz_service.domain.audit import DONE, AuditRecord
from authz_service.domain.invitation import Invitation
from authz_service.domain.job import DATED, SECOND, Job, JobKind
from authz_service.domain.membership import MembershipState
from authz_service.domain.schedule import ScheduledKind, scheduled
from authz_service.domain.tenant import SYSTEM, Tenant
from authz_service.domain.window import Instant, rfc3339
from authz_service.store import jobs
from authz_service.store.database import Connection
from authz_service.store.unit_of_work import Transaction

INVITING: Final = ("invitation.created", "invitation.resent")

_SILENT: Final = ("endpoint", "mail_template", "job")
"""Groups of actions that no endpoint is notified of: they concern notification itself."""


class Queue(Protocol):
    """Where attempts wait for a worker."""

    def put(self, connection: Connection, job: Job, delay: float) -> None:
        """Enqueue a job's next attempt, to be made after `delay` seconds, in the transaction.

        Nothing happens if that attempt was enqueued before.
        """


@dataclass(frozen=True, slots=True)
class Outbox:
    """Enqueues, in a transaction that is about to commit, the jobs that it causes.

    `mailing` is off where no mail server is set: then no mail is enqueued.
    """

    queue: Queue
    mailing: bool

    def __call__(self, tx: Transaction) -> None:
        for job in (*tx.jobs, *self._caused(tx), *_dated(tx)):
            if job.kind in DATED:
                keep(tx.connection, job)
            else:
                enqueue(tx.connection, self.queue, job, tx.now)

    def _caused(self, tx: Transaction) -> Iterator[Job]:
        if not tx.changes:
            return
        for place, record in enumerate(tx.records):
            if record.outcome != DONE:
                continue
            if self.mailing and record.action in INVITING and isinstance(record.after, Invitation):
                yield from _mails(tx, record.after)
            if tx.index.endpoints:
                yield from _deliveries(tx, record, place)


def enqueue(connection: Connection, queue: Queue, job: Job, now: Instant) -> bool:
    """Keep a new job, or start one over, and enqueue its next attempt.

    Returns:
        False if there is a job with its key already, which is left alone.
    """
    is_new = keep(connection, job)
    if is_new:
        queue.put(connection, job, max(0, job.next_at - now) / SECOND)
    return is_new


def keep(connection: Connection, job: Job) -> bool:
    """Keep a new job, or one that is started over; a worker enqueues it when its instant has come.

    So no attempt waits for years in a queue that may be another by then.
    """
    if job.turn == 1:
        return jobs.add(connection, job)
    jobs.replace(connection, job)
    return True


def delivery(
    new_id: Callable[[], str],
    endpoint: str,
    record: AuditRecord,
    revision: int,
    at: Instant,
    key: str,
) -> Job:
    """Make the delivery of one record to one endpoint: it has ids for the receiver to look up."""
    data = {
        "type": record.action,
        "timestamp": rfc3339(at),
        "data": {"tenant": record.tenant, "targets": list(record.targets), "revision": revision},
    }
    return Job(
        f"job-{new_id()}",
        JobKind.WEBHOOK,
        record.tenant,
        f"webhook/{endpoint}/{key}",
        endpoint,
        record.action,
        data,
        created_at=at,
        next_at=at,
    )


def _dated(tx: Transaction) -> Iterator[Job]:
    """Make the jobs for the dates of the accounts that a transaction changes."""
    changed = {
        change.after.id: change.after for change in tx.changes if isinstance(change.after, Tenant)
    }
    return downgrade_jobs(changed.values(), tx.now, tx.new_id)


def downgrade_jobs(
    tenants: Iterable[Tenant], now: Instant, new_id: Callable[[], str]
) -> Iterator[Job]:
    """Make a job for each future time at which dates change what an account has."""
    for tenant in tenants:
        ahead = scheduled(tenant, now) if tenant.id != SYSTEM else []
        instants = (change.at for change in ahead if change.kind is not ScheduledKind.STATE)
        for at in dict.fromkeys(instants):
            yield Job(
                f"job-{new_id()}",
                JobKind.DOWNGRADE,
                tenant.id,
                f"downgrade/{tenant.id}/{at}",
                tenant.id,
                "downgrade",
                {"at": at},
                created_at=now,
                next_at=at,
            )


def _mails(tx: Transaction, invitation: Invitation) -> Iterator[Job]:
    if not invitation.email:
        return
    kind = JobKind.WELCOME if _first(tx, invitation.tenant) else JobKind.INVITATION
    yield Job(
        f"job-{tx.new_id()}",
        kind,
        invitation.tenant,
        f"mail/{invitation.id}/{tx.revision}",
        invitation.id,
        "invitation",
        {"sent_at": invitation.sent_at},
        created_at=tx.now,
        next_at=tx.now,
    )


def _first(tx: Transaction, tenant: str) -> bool:
    """Tell whether the account has no member yet: then the invitation is a welcome."""
    members = tx.after().tenants[tenant].members.values()
    return not any(
        isinstance(member, int) or member.membership.lifecycle is MembershipState.ACTIVE
        for member in members
    )


def _deliveries(tx: Transaction, record: AuditRecord, place: int) -> Iterator[Job]:
    if record.action.partition(".")[0] in _SILENT:
        return
    for endpoint in tx.index.endpoints.values():
        if endpoint.listens(record.action, record.tenant):
            key = f"{tx.revision}/{place}"
            yield delivery(tx.new_id, endpoint.id, record, tx.revision, tx.now, key)
