"""The part of ProvisioningService that is about add-ons and own limits."""

from authz_service.gen.authz.v1 import provisioning_pb2 as pb
from authz_service.rpc import convert, convert_tenants
from authz_service.rpc.calls import AdminCalls, Context
from authz_service.usecases.customers import holdings


class HoldingServicer:
    def __init__(self, calls: AdminCalls) -> None:
        self._calls = calls

    def AddAddOn(self, request: pb.AddAddOnRequest, context: Context) -> pb.AddAddOnResponse:
        answer = self._calls.change(request, context, holdings.add_add_on, _addition)
        return pb.AddAddOnResponse(
            tenant=convert_tenants.tenant_message(answer.value), revision=answer.revision
        )

    def RemoveAddOn(
        self, request: pb.RemoveAddOnRequest, context: Context
    ) -> pb.RemoveAddOnResponse:
        answer = self._calls.change(request, context, holdings.remove_add_on, _removal)
        return pb.RemoveAddOnResponse(
            tenant=convert_tenants.tenant_message(answer.value), revision=answer.revision
        )

    def SetLimits(self, request: pb.SetLimitsRequest, context: Context) -> pb.SetLimitsResponse:
        answer = self._calls.change(request, context, holdings.set_limits, _limits)
        return pb.SetLimitsResponse(
            tenant=convert_tenants.tenant_message(answer.value), revision=answer.revision
        )


def _addition(request: pb.AddAddOnRequest) -> holdings.AddAddOn:
    window = convert.window(request)
    return holdings.AddAddOn(tenant=request.tenant, add_on=request.add_on, window=window)


def _removal(request: pb.RemoveAddOnRequest) -> holdings.RemoveAddOn:
    at = convert_tenants.optional_instant(request, "at")
    return holdings.RemoveAddOn(tenant=request.tenant, add_on=request.add_on, at=at)


def _limits(request: pb.SetLimitsRequest) -> holdings.SetLimits:
    return holdings.SetLimits(
        tenant=request.tenant,
        limits=convert_tenants.limits(request.limits),
        removed=tuple(request.removed),
    )
