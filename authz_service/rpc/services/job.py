"""JobService: the work after a commit."""

from typing import Any, Final

from authz_service.gen.authz.v1 import job_pb2 as pb
from authz_service.rpc.messages import jobs, values
from authz_service.rpc.messages.jobs import JOB
from authz_service.rpc.methods import Service, change, read
from authz_service.usecases.delivery import job_rpcs


def _one(request: Any) -> job_rpcs.OneJob:
    return job_rpcs.OneJob(id=request.id, tenant=request.tenant)


def _listing(request: pb.ListJobsRequest) -> job_rpcs.ListJobs:
    return job_rpcs.ListJobs(
        page=values.page(request),
        tenant=request.tenant,
        kind=jobs.kind_filter(request.kind),
        state=jobs.state_filter(request.state),
    )


SERVICE: Final = Service(
    pb.DESCRIPTOR.services_by_name["JobService"],
    read(job_rpcs.list_jobs, _listing, JOB.page),
    read(job_rpcs.get_job, _one, JOB.one),
    change(job_rpcs.retry_job, _one, JOB.one),
    change(job_rpcs.cancel_job, _one, JOB.one),
)
