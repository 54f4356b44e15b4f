"""The part of ProvisioningService that is about what will change by itself."""

from authz_service.gen.authz.v1 import provisioning_pb2 as pb
from authz_service.rpc import convert, convert_tenants
from authz_service.rpc.calls import AdminCalls, Context
from authz_service.usecases.customers import schedule


class ScheduleServicer:
    def __init__(self, calls: AdminCalls) -> None:
        self._calls = calls

    def ListScheduledChanges(
        self, request: pb.ListScheduledChangesRequest, context: Context
    ) -> pb.ListScheduledChangesResponse:
        answer = self._calls.read(
            request,
            context,
            schedule.list_scheduled,
            lambda r: schedule.ListScheduled(tenant=r.tenant, page=convert.page(r)),
        )
        found = answer.value
        return pb.ListScheduledChangesResponse(
            changes=[convert_tenants.scheduled_message(each) for each in found.page.items],
            next_page_token=found.page.next_token,
            total_size=found.total,
            revision=answer.revision,
        )

    def CancelScheduledChange(
        self, request: pb.CancelScheduledChangeRequest, context: Context
    ) -> pb.CancelScheduledChangeResponse:
        answer = self._calls.change(
            request,
            context,
            schedule.cancel_scheduled,
            lambda r: schedule.OneScheduled(tenant=r.tenant, id=r.id),
        )
        return pb.CancelScheduledChangeResponse(
            tenant=convert_tenants.tenant_message(answer.value.tenant),
            change=convert_tenants.scheduled_message(answer.value.change),
            revision=answer.revision,
        )
