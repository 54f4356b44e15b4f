"""Messages about jobs and endpoints to values and back."""

from typing import Final

from authz_service.domain.endpoint import Endpoint
from authz_service.domain.job import Job, JobKind, JobReason, JobState
from authz_service.gen.authz.v1 import job_pb2 as pb
from authz_service.gen.authz.v1 import webhook_pb2
from authz_service.rpc.messages import values
from authz_service.rpc.methods import Shown

KINDS: Final = {member: pb.JobKind.Value(f"JOB_KIND_{member.name}") for member in JobKind}
STATES: Final = {member: pb.JobState.Value(f"JOB_STATE_{member.name}") for member in JobState}
REASONS: Final = {
    member: pb.JobReason.Value(f"JOB_REASON_{member.name}") if member else pb.JOB_REASON_UNSPECIFIED
    for member in JobReason
}


def kind_filter(number: int) -> JobKind | None:
    return values.word(KINDS, number, None, "kind") if number else None


def state_filter(number: int) -> JobState | None:
    return values.word(STATES, number, None, "state") if number else None


def job_message(job: Job) -> pb.Job:
    message = pb.Job(
        id=job.id,
        kind=KINDS[job.kind],
        tenant=job.tenant,
        state=STATES[job.state],
        target=job.target,
        subject=job.subject,
        attempt_count=job.attempts,
        reason=REASONS[job.reason],
        message=job.message,
        create_time=values.timestamp(job.created_at),
    )
    if job.open:
        message.next_attempt_time.CopyFrom(values.timestamp(job.next_at))
    if job.ended_at:
        message.end_time.CopyFrom(values.timestamp(job.ended_at))
    return message


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


JOB: Final = Shown("job", "jobs", job_message)
DELIVERY: Final = Shown("delivery", "deliveries", job_message)
ENDPOINT: Final = Shown("endpoint", "endpoints", endpoint_message)
