"""JobService: what follows a committed change, and in which words."""

from typing import Any

from authz_service.gen.authz.v1 import job_pb2 as pb
from authz_service.rpc.calls import AdminCalls, Context
from authz_service.rpc.messages import jobs as to
from authz_service.rpc.messages import values
from authz_service.usecases.delivery import job_rpcs
from authz_service.usecases.delivery import mail_templates as templates


class JobServicer:
    def __init__(self, calls: AdminCalls) -> None:
        self._calls = calls

    def ListJobs(self, request: pb.ListJobsRequest, context: Context) -> pb.ListJobsResponse:
        answer = self._calls.read(request, context, job_rpcs.list_jobs, _listing)
        return pb.ListJobsResponse(
            jobs=[to.job_message(item) for item in answer.value.items],
            next_page_token=answer.value.next_token,
            revision=answer.revision,
        )

    def GetJob(self, request: pb.GetJobRequest, context: Context) -> pb.GetJobResponse:
        answer = self._calls.read(request, context, job_rpcs.get_job, _one)
        return pb.GetJobResponse(job=to.job_message(answer.value), revision=answer.revision)

    def RetryJob(self, request: pb.RetryJobRequest, context: Context) -> pb.RetryJobResponse:
        answer = self._calls.change(request, context, job_rpcs.retry_job, _one)
        return pb.RetryJobResponse(job=to.job_message(answer.value), revision=answer.revision)

    def CancelJob(self, request: pb.CancelJobRequest, context: Context) -> pb.CancelJobResponse:
        answer = self._calls.change(request, context, job_rpcs.cancel_job, _one)
        return pb.CancelJobResponse(job=to.job_message(answer.value), revision=answer.revision)

    def GetMailTemplate(
        self, request: pb.GetMailTemplateRequest, context: Context
    ) -> pb.GetMailTemplateResponse:
        answer = self._calls.read(request, context, templates.get_mail_template, _template)
        return pb.GetMailTemplateResponse(
            template=to.template_message(answer.value), revision=answer.revision
        )

    def PutMailTemplate(
        self, request: pb.PutMailTemplateRequest, context: Context
    ) -> pb.PutMailTemplateResponse:
        answer = self._calls.change(request, context, templates.put_mail_template, _put)
        return pb.PutMailTemplateResponse(
            template=to.template_message(answer.value), revision=answer.revision
        )

    def DeleteMailTemplate(
        self, request: pb.DeleteMailTemplateRequest, context: Context
    ) -> pb.DeleteMailTemplateResponse:
        answer = self._calls.change(request, context, templates.delete_mail_template, _template)
        return pb.DeleteMailTemplateResponse(
            template=to.template_message(answer.value), revision=answer.revision
        )


def _listing(request: pb.ListJobsRequest) -> job_rpcs.ListJobs:
    return job_rpcs.ListJobs(
        page=values.page(request),
        tenant=request.tenant,
        kind=to.kind_filter(request.kind),
        state=to.state_filter(request.state),
    )


def _one(request: Any) -> job_rpcs.OneJob:
    return job_rpcs.OneJob(id=request.id, tenant=request.tenant)


def _template(request: Any) -> templates.OneMailTemplate:
    return templates.OneMailTemplate(tenant=request.tenant, kind=to.mail_kind(request.kind, "kind"))


def _put(request: pb.PutMailTemplateRequest) -> templates.PutMailTemplate:
    return templates.PutMailTemplate(
        tenant=request.tenant,
        kind=to.mail_kind(request.template.kind, "template.kind"),
        words=to.words(request.template),
    )
