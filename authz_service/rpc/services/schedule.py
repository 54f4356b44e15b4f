"""The part of ProvisioningService that is about what will change by itself."""

from authz_service.gen.authz.v1 import provisioning_pb2 as pb
from authz_service.rpc.calls import AdminCalls, Context
from authz_service.rpc.messages import tenants, values
from authz_service.usecases.tenants import scheduled_changes


class ScheduleServicer:
    def __init__(self, calls: AdminCalls) -> None:
        self._calls = calls

    def ListScheduledChanges(
        self, request: pb.ListScheduledChangesRequest, context: Context
    ) -> pb.ListScheduledChangesResponse:
        answer = self._calls.read(
            request,
            context,
            scheduled_changes.list_scheduled_changes,
            lambda r: scheduled_changes.ListScheduled(tenant=r.tenant, page=values.page(r)),
        )
        found = answer.value
        return pb.ListScheduledChangesResponse(
            changes=[tenants.scheduled_message(item) for item in found.page.items],
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
            scheduled_changes.cancel_scheduled_change,
            lambda r: scheduled_changes.OneScheduled(tenant=r.tenant, id=r.id),
        )
        return pb.CancelScheduledChangeResponse(
            tenant=tenants.tenant_message(answer.value.tenant),
            change=tenants.scheduled_message(answer.value.change),
            revision=answer.revision,
        )
