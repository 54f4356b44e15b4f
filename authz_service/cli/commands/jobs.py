"""`authz jobs` and `authz mails`: what follows changes, and in which words."""

from collections.abc import Iterable
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table
from rich.text import Text

from authz_service.cli import completion
from authz_service.cli.display import tables
from authz_service.cli.display.words import code, instant, word
from authz_service.cli.options import Limit, Reason, changes, reads
from authz_service.cli.paging import every, total
from authz_service.cli.session import Session
from authz_service.gen.authz.v1 import job_pb2 as pb

app = typer.Typer(help="What follows changes: mails and webhooks.")
mails = typer.Typer(help="The words of mails: yours for all tenants, or one tenant's own.")

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


class MailKind(StrEnum):
    WELCOME = "welcome"
    INVITATION = "invitation"
    NOTICE = "notice"


class State(StrEnum):
    WAITING = "waiting"
    RUNNING = "running"
    DONE = "done"
    DEAD = "dead"
    CANCELLED = "cancelled"


InState = Annotated[State | None, typer.Option("--state", help="Only those in this state.")]
Mail = Annotated[MailKind, typer.Argument(metavar="MAIL", help="welcome, invitation or notice.")]


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


@reads(app, "get")
def get_job(session: Session, job: JobId, tenant: OfTenant = "") -> None:
    """Show one job."""
    answer = session.jobs.GetJob(pb.GetJobRequest(id=job, tenant=tenant))
    session.show(answer, jobs_table([answer.job]))


@changes(app)
def retry(session: Session, job: JobId, tenant: OfTenant = "", reason: Reason = "") -> None:
    """Do a job now that is dead, cancelled or waiting."""
    answer = session.jobs.RetryJob(pb.RetryJobRequest(id=job, tenant=tenant, reason=reason))
    session.show(answer, jobs_table([answer.job]), note="it is attempted again")


@changes(app)
def cancel(session: Session, job: JobId, tenant: OfTenant = "", reason: Reason = "") -> None:
    """Let a job be."""
    answer = session.jobs.CancelJob(pb.CancelJobRequest(id=job, tenant=tenant, reason=reason))
    session.show(answer, jobs_table([answer.job]), note="cancelled")


@reads(mails, "get")
def get_template(session: Session, mail: Mail, tenant: OfTenant = "") -> None:
    """Show the words that a mail has."""
    request = pb.GetMailTemplateRequest(tenant=tenant, kind=kind_number(mail))
    answer = session.jobs.GetMailTemplate(request)
    session.show(answer, *_words(answer.template))


@changes(mails, "put")
def put_template(
    session: Session,
    mail: Mail,
    subject: Annotated[str, typer.Option("--subject", help="A template of one line.")],
    text: Annotated[Path, typer.Option("--text", metavar="FILE", help="The text's template.")],
    html: Annotated[
        Path | None, typer.Option("--html", metavar="FILE", help="The HTML's template.")
    ] = None,
    tenant: OfTenant = "",
    reason: Reason = "",
) -> None:
    """Write a mail in other words; --dry-run only tries them."""
    template = pb.MailTemplate(
        kind=kind_number(mail),
        subject=subject,
        text=text.read_text(encoding="utf-8"),
        html=html.read_text(encoding="utf-8") if html else "",
    )
    request = pb.PutMailTemplateRequest(tenant=tenant, template=template, reason=reason)
    answer = session.jobs.PutMailTemplate(request)
    session.show(answer, *_words(answer.template))


@changes(mails, "delete")
def delete_template(
    session: Session, mail: Mail, tenant: OfTenant = "", reason: Reason = ""
) -> None:
    """Go back to the words for all, or to those shipped."""
    request = pb.DeleteMailTemplateRequest(tenant=tenant, kind=kind_number(mail), reason=reason)
    answer = session.jobs.DeleteMailTemplate(request)
    session.show(answer, *_words(answer.template))


def kind_number(kind: StrEnum) -> pb.JobKind.ValueType:
    return pb.JobKind.Value(f"JOB_KIND_{kind.name}")


def state_number(state: State | None) -> pb.JobState.ValueType:
    if state is None:
        return pb.JOB_STATE_UNSPECIFIED
    return pb.JobState.Value(f"JOB_STATE_{state.name}")


def jobs_table(jobs: Iterable[pb.Job]) -> Table:
    rows = [
        (job.id, word(pb.JobKind, job.kind), job.tenant, job.subject,
         word(pb.JobState, job.state), str(job.attempts),
         instant(job.next_time) or instant(job.end_time), _said(job))
        for job in jobs
    ]  # fmt: skip
    columns = ("ID", "KIND", "TENANT", "ABOUT", "STATE", "ATTEMPTS", "NEXT OR END", "LAST")
    return tables.table(columns, rows)


def _said(job: pb.Job) -> str:
    reason = code(pb.JobReason, job.reason) if job.reason else ""
    return ": ".join(filter(None, [reason, job.message]))


def _words(template: pb.MailTemplate) -> list[Text]:
    owner = template.owner or "all tenants"
    parts = [f"whose: {owner}", f"subject: {template.subject}", "", template.text]
    if template.html:
        parts += ["", template.html]
    return [tables.shown(part, lines=True) for part in parts]
