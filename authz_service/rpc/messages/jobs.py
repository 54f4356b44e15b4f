"""Messages about jobs, mails' words and endpoints to values and back."""

from typing import Any, Final

from authz_service.domain.endpoint import Endpoint
from authz_service.domain.job import Job, JobKind, JobReason, JobState
from authz_service.errors import ErrorReason, InvalidArgument
from authz_service.gen.authz.v1 import job_pb2 as pb
from authz_service.gen.authz.v1 import webhook_pb2
from authz_service.rpc.messages import values
from authz_service.usecases.delivery import mail_rendering
from authz_service.usecases.delivery.mail_rendering import Words
from authz_service.usecases.delivery.mail_templates import MailTemplate

KINDS: Final = {each: pb.JobKind.Value(f"JOB_KIND_{each.name}") for each in JobKind}
STATES: Final = {each: pb.JobState.Value(f"JOB_STATE_{each.name}") for each in JobState}
REASONS: Final = {
    each: pb.JobReason.Value(f"JOB_REASON_{each.name}") if each else pb.JOB_REASON_UNSPECIFIED
    for each in JobReason
}


def kind_filter(number: int) -> JobKind | None:
    return values.word(KINDS, number, None, "kind") if number else None


def state_filter(number: int) -> JobState | None:
    return values.word(STATES, number, None, "state") if number else None


def mail_kind(number: int, field: str) -> JobKind:
    """Read which mail is meant. Raises: INVALID_FIELD."""
    found = next((kind.value for kind, known in KINDS.items() if known == number), "")
    return mail_rendering.checked_kind(found, field)


def job_message(job: Job) -> pb.Job:
    message = pb.Job(
        id=job.id,
        kind=KINDS[job.kind],
        tenant=job.tenant,
        state=STATES[job.state],
        target=job.target,
        subject=job.subject,
        attempts=job.attempts,
        reason=REASONS[job.reason],
        message=job.message,
        create_time=values.timestamp(job.created_at),
    )
    if job.open:
        message.next_time.CopyFrom(values.timestamp(job.next_at))
    if job.ended_at:
        message.end_time.CopyFrom(values.timestamp(job.ended_at))
    return message


def template_message(value: MailTemplate) -> pb.MailTemplate:
    words = value.words
    return pb.MailTemplate(
        kind=KINDS[value.kind],
        subject=words.subject,
        text=words.text,
        html=words.html,
        owner=value.owner,
    )


def words(message: pb.MailTemplate) -> Words:
    """Read the words of a mail. Raises: INVALID_FIELD, if it says whose they are."""
    if message.owner:
        raise given("template.owner")
    return Words(message.subject, message.text, message.html)


def endpoint_message(value: Endpoint) -> webhook_pb2.Endpoint:
    return webhook_pb2.Endpoint(
        id=value.id,
        tenant=value.tenant,
        url=value.url,
        kinds=value.kinds,
        description=value.description,
        disabled=bool(value.disabled),
        disabled_reason=value.disabled,
        create_time=values.timestamp(value.created_at),
    )


def require_new(message: Any) -> None:
    """Refuse an endpoint to be made that says what only this service says."""
    for field in ("id", "tenant", "disabled", "disabled_reason"):
        if getattr(message, field):
            raise given(f"endpoint.{field}")
    if message.HasField("create_time"):
        raise given("endpoint.create_time")


def given(field: str) -> InvalidArgument:
    said = f"{field} is not the caller's to say here; leave it unset"
    return InvalidArgument(ErrorReason.INVALID_FIELD, said, field=field)
