"""`authz jobs`: the work after a commit."""

from collections.abc import Iterable
from enum import StrEnum
from typing import Annotated, Final

import typer
from rich.console import RenderableType

from authz_service.cli import completion
from authz_service.cli.display import tables
from authz_service.cli.display.words import code, instant, word
from authz_service.cli.family import Family, Option, number
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


OfKind = Annotated[Kind | None, typer.Option("--kind", help="Only of this kind.")]
InState = Annotated[State | None, typer.Option("--state", help="Only those in this state.")]


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


JOBS: Final = Family(
    app,
    service=lambda session: session.jobs,
    field="job",
    shown=lambda job: jobs_table([job]),
    listed=jobs_table,
)
JOBS.lists(
    "list",
    "ListJobs",
    "List jobs, the newest first.",
    tenant=Option(OfTenant),
    kind=Option(OfKind, number(pb.JobKind)),
    state=Option(InState, number(pb.JobState)),
)
JOBS.reads("show", "GetJob", "Show one job.", id=JobId, tenant=Option(OfTenant))
JOBS.changes(
    "retry",
    "RetryJob",
    "Retry a dead, cancelled or pending job now.",
    "it is attempted again",
    id=JobId,
    tenant=Option(OfTenant),
)
JOBS.changes(
    "cancel",
    "CancelJob",
    "Cancel a pending or running job.",
    "cancelled",
    id=JobId,
    tenant=Option(OfTenant),
)
