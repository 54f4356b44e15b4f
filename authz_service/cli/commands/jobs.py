"""`authz jobs`: the work after a commit."""

from collections.abc import Iterable
from enum import StrEnum
from typing import Annotated

import typer
from rich.console import RenderableType

from authz_service.cli import completion
from authz_service.cli.display import tables
from authz_service.cli.display.words import code, instant, word
from authz_service.cli.options import Limit, Reason
from authz_service.cli.paging import every, total
from authz_service.cli.registration import changes, reads
from authz_service.cli.session import Session
from authz_service.gen.authz.v1 import job_pb2 as pb

app = typer.Typer(help="The work after changes: mails, webhooks, downgrades on a date.")

JobId = Annotated[str, typer.Argument(metavar="ID", help="As authz jobs list shows it.")]
OfTenant = Annotated[
    str,
    typer.Option(
        "--tenant", metavar="TENANT", help="This tenant's.", autocompletion=completion.tenants
    ),
]


class Kind(StrEnum):
    WELCOME = "welcome"
    INVITATION = "invitation"
    NOTICE = "notice"
    WEBHOOK = "webhook"
    DOWNGRADE = "downgrade"
    LOOKUP = "lookup"


class State(StrEnum):
    PENDING = "pending"
    RUNNING = "running"
    DONE = "done"
    DEAD = "dead"
    CANCELLED = "cancelled"


InState = Annotated[State | None, typer.Option("--state", help="Only those in this state.")]


@reads(app, "list")
def list_jobs(
    session: Session,
    tenant: OfTenant = "",
    kind: Annotated[Kind | None, typer.Option("--kind", help="Only of this kind.")] = None,
    state: InState = None,
    limit: Limit = None,
) -> None:
    """List jobs, the newest first."""
    request = pb.ListJobsRequest(tenant=tenant, state=state_number(state))
    if kind is not None:
        request.kind = kind_number(kind)
    answer = every(session.jobs.ListJobs, request, lambda page: page.jobs, limit)
    session.show(answer, jobs_table(answer.jobs), note=total(len(answer.jobs), "job", answer))


@reads(app, "show")
def show_job(session: Session, job: JobId, tenant: OfTenant = "") -> None:
    """Show one job."""
    answer = session.jobs.GetJob(pb.GetJobRequest(id=job, tenant=tenant))
    session.show(answer, jobs_table([answer.job]))


@changes(app)
def retry(session: Session, job: JobId, tenant: OfTenant = "", reason: Reason = "") -> None:
    """Retry a dead, cancelled or pending job now."""
    answer = session.jobs.RetryJob(pb.RetryJobRequest(id=job, tenant=tenant, reason=reason))
    session.show(answer, jobs_table([answer.job]), note="it is attempted again")


@changes(app)
def cancel(session: Session, job: JobId, tenant: OfTenant = "", reason: Reason = "") -> None:
    """Cancel a pending or running job."""
    answer = session.jobs.CancelJob(pb.CancelJobRequest(id=job, tenant=tenant, reason=reason))
    session.show(answer, jobs_table([answer.job]), note="cancelled")


def kind_number(kind: StrEnum) -> pb.JobKind.ValueType:
    return pb.JobKind.Value(f"JOB_KIND_{kind.name}")


def state_number(state: State | None) -> pb.JobState.ValueType:
    if state is None:
        return pb.JOB_STATE_UNSPECIFIED
    return pb.JobState.Value(f"JOB_STATE_{state.name}")


def jobs_table(jobs: Iterable[pb.Job]) -> RenderableType:
    rows = [
        (job.id, word(pb.JobKind, job.kind), job.tenant, job.subject,
         word(pb.JobState, job.state), str(job.attempt_count),
         instant(job.next_attempt_time) or instant(job.end_time), _said(job))
        for job in jobs
    ]  # fmt: skip
    columns = ("ID", "KIND", "TENANT", "ABOUT", "STATE", "ATTEMPTS", "NEXT OR END", "LAST")
    return tables.table(columns, rows)


def _said(job: pb.Job) -> str:
    reason = code(pb.JobReason, job.reason) if job.reason else ""
    return ": ".join(filter(None, [reason, job.message]))
