"""The part of ProvisioningService that is about add-ons and own limits."""

from authz_service.gen.authz.v1 import provisioning_pb2 as pb
from authz_service.rpc.calls import AdminCalls, Context
from authz_service.rpc.messages import tenants, values
from authz_service.usecases.tenants import subscriptions


class HoldingServicer:
    def __init__(self, calls: AdminCalls) -> None:
        self._calls = calls

    def AddAddOn(self, request: pb.AddAddOnRequest, context: Context) -> pb.AddAddOnResponse:
        answer = self._calls.change(request, context, subscriptions.add_add_on, _addition)
        return pb.AddAddOnResponse(
            tenant=tenants.tenant_message(answer.value), revision=answer.revision
        )

    def RemoveAddOn(
        self, request: pb.RemoveAddOnRequest, context: Context
    ) -> pb.RemoveAddOnResponse:
        answer = self._calls.change(request, context, subscriptions.remove_add_on, _removal)
        return pb.RemoveAddOnResponse(
            tenant=tenants.tenant_message(answer.value), revision=answer.revision
        )

    def SetLimits(self, request: pb.SetLimitsRequest, context: Context) -> pb.SetLimitsResponse:
        answer = self._calls.change(request, context, subscriptions.set_limits, _limits)
        return pb.SetLimitsResponse(
            tenant=tenants.tenant_message(answer.value), revision=answer.revision
        )


def _addition(request: pb.AddAddOnRequest) -> subscriptions.AddAddOn:
    window = values.window(request)
    return subscriptions.AddAddOn(tenant=request.tenant, add_on=request.add_on, window=window)


def _removal(request: pb.RemoveAddOnRequest) -> subscriptions.RemoveAddOn:
    at = tenants.optional_instant(request, "at")
    return subscriptions.RemoveAddOn(tenant=request.tenant, add_on=request.add_on, at=at)


def _limits(request: pb.SetLimitsRequest) -> subscriptions.SetLimits:
    return subscriptions.SetLimits(
        tenant=request.tenant,
        limits=tenants.limits(request.limits),
        removed=tuple(request.removed),
    )
