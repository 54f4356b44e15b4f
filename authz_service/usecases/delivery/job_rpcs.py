"""Jobs as callers see them: list, get, retry and cancel."""

from dataclasses import dataclass
from typing import Final

from authz_service.domain.audit import AuditRecord
from authz_service.domain.identifiers import checked
from authz_service.domain.job import Job, JobKind, JobState, again, cancelled
from authz_service.domain.tenant import SYSTEM
from authz_service.engine.index import Index
from authz_service.errors import ErrorReason, FailedPrecondition, NotFound
from authz_service.store import jobs as store
from authz_service.store.filters import JobFilter
from authz_service.store.unit_of_work import Transaction
from authz_service.usecases.kernel import paging, preconditions
from authz_service.usecases.kernel.execution import View, change, read
from authz_service.usecases.kernel.paging import Page, PageRequest


@dataclass(frozen=True, slots=True, kw_only=True)
class ListJobs:
    """None and "" stand for any."""

    page: PageRequest
    tenant: str = ""
    kind: JobKind | None = None
    state: JobState | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class OneJob:
    """`tenant` is the account that the caller names; "" for a caller with the right for all."""

    id: str
    tenant: str = ""


@read
def list_jobs(view: View, query: ListJobs) -> Page[Job]:
    """List jobs, the newest first."""
    if query.tenant:
        preconditions.tenant(view.index, query.tenant)
    matching = JobFilter(tenant=query.tenant or None, kind=query.kind, state=query.state)
    filters = ["jobs", query.tenant, str(query.kind), str(query.state)]
    return newest(view, query.page, filters, matching)


@read
def get_job(view: View, query: OneJob) -> Job:
    with view.database.read() as connection:
        return owned(store.find(connection, checked("id", query.id)), query)


@change
def retry_job(tx: Transaction, command: OneJob) -> Job:
    """Retry a dead, cancelled or pending job now, with a full number of attempts."""
    job = owned(store.find(tx.connection, checked("id", command.id), lock=True), command)
    if job.state in (JobState.DONE, JobState.RUNNING):
        raise _conflict(job, "retried; it must be dead, cancelled or pending")
    return restarted(tx, job, "job.retried")


@change
def cancel_job(tx: Transaction, command: OneJob) -> Job:
    """Cancel a pending or running job. An attempt that has begun may still succeed."""
    job = owned(store.find(tx.connection, checked("id", command.id), lock=True), command)
    if not job.open:
        raise _conflict(job, "cancelled; it must be pending or running")
    after = cancelled(job, tx.now)
    store.replace(tx.connection, after)
    _record(tx, "job.cancelled", job, after)
    return after


def restarted(tx: Transaction, job: Job, action: str) -> Job:
    """Start a job over and record it."""
    after = again(job, tx.now)
    tx.enqueue(after)
    _record(tx, action, job, after)
    return after


def newest(view: View, request: PageRequest, query: list[str], matching: JobFilter) -> Page[Job]:
    """Cut a page of the jobs that match the filter, the newest first."""
    size, after = paging.size(request), paging.start(request, query)
    if after and not after.isdecimal():
        raise paging.bad_token()
    before = int(after[:_LONGEST_NUMBER]) if after else 0
    with view.database.read() as connection:
        jobs = store.page(connection, before, size + 1, matching)
    return paging.cut(jobs, lambda job: str(job.number), size, query)


_LONGEST_NUMBER: Final = 18
"""Digits of a row number: a forged token may have more than a database takes."""


def owned(job: Job | None, command: OneJob) -> Job:
    """Check that there is such a job, and that it is the tenant's. Raises: JOB_NOT_FOUND."""
    if command.tenant:
        checked("tenant", command.tenant)
    if job is None or command.tenant not in ("", job.tenant):
        raise NotFound(
            ErrorReason.JOB_NOT_FOUND,
            f"there is no job {command.id!r}; it was never made, or has ended long ago",
            field="id",
        )
    return job


def _record(tx: Transaction, action: str, before: Job, after: Job) -> None:
    chain = before.tenant if _known(tx.index, before.tenant) else SYSTEM
    tx.record(AuditRecord(action, chain, (before.id,), before, after, tx.call.reason))


def _known(index: Index, tenant: str) -> bool:
    return index.tenant(tenant) is not None


def _conflict(job: Job, attempted: str) -> FailedPrecondition:
    return FailedPrecondition(
        ErrorReason.JOB_STATE_CONFLICT,
        f"job {job.id!r} is {job.state.value} and cannot be {attempted}",
        field="id",
        details={"state": job.state.value},
    )
