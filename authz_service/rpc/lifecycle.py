"""The part of ProvisioningService that is about whether accounts are open."""

from typing import Any

from authz_service.gen.authz.v1 import provisioning_pb2 as pb
from authz_service.rpc import convert, convert_tenants
from authz_service.rpc.calls import AdminCalls, Context
from authz_service.usecases.customers import lifecycle, offboarding
from authz_service.usecases.customers.provisioning import OneTenant


class LifecycleServicer:
    def __init__(self, calls: AdminCalls) -> None:
        self._calls = calls

    def SuspendTenant(
        self, request: pb.SuspendTenantRequest, context: Context
    ) -> pb.SuspendTenantResponse:
        answer = self._calls.change(request, context, lifecycle.suspend_tenant, _suspension)
        return pb.SuspendTenantResponse(
            tenant=convert_tenants.tenant_message(answer.value), revision=answer.revision
        )

    def ResumeTenant(
        self, request: pb.ResumeTenantRequest, context: Context
    ) -> pb.ResumeTenantResponse:
        answer = self._calls.change(request, context, lifecycle.resume_tenant, _suspension)
        return pb.ResumeTenantResponse(
            tenant=convert_tenants.tenant_message(answer.value), revision=answer.revision
        )

    def StartTrial(self, request: pb.StartTrialRequest, context: Context) -> pb.StartTrialResponse:
        answer = self._calls.change(request, context, lifecycle.start_trial, _trial)
        return pb.StartTrialResponse(
            tenant=convert_tenants.tenant_message(answer.value), revision=answer.revision
        )

    def StartGrace(self, request: pb.StartGraceRequest, context: Context) -> pb.StartGraceResponse:
        answer = self._calls.change(request, context, lifecycle.start_grace, _grace)
        return pb.StartGraceResponse(
            tenant=convert_tenants.tenant_message(answer.value), revision=answer.revision
        )

    def ActivateTenant(
        self, request: pb.ActivateTenantRequest, context: Context
    ) -> pb.ActivateTenantResponse:
        answer = self._calls.change(request, context, lifecycle.activate_tenant, _one)
        return pb.ActivateTenantResponse(
            tenant=convert_tenants.tenant_message(answer.value), revision=answer.revision
        )

    def OffboardTenant(
        self, request: pb.OffboardTenantRequest, context: Context
    ) -> pb.OffboardTenantResponse:
        answer = self._calls.change(request, context, offboarding.offboard_tenant, _end)
        return pb.OffboardTenantResponse(
            tenant=convert_tenants.tenant_message(answer.value),
            ended=convert_tenants.counts_message(answer.value.ended),
            revision=answer.revision,
        )

    def ReactivateTenant(
        self, request: pb.ReactivateTenantRequest, context: Context
    ) -> pb.ReactivateTenantResponse:
        answer = self._calls.change(request, context, offboarding.reactivate_tenant, _return)
        return pb.ReactivateTenantResponse(
            tenant=convert_tenants.tenant_message(answer.value.tenant),
            restored=convert_tenants.counts_message(answer.value.restored),
            left_out=[convert_tenants.left_out_message(each) for each in answer.value.left_out],
            revision=answer.revision,
        )


def _suspension(request: Any) -> lifecycle.Suspension:
    return lifecycle.Suspension(
        tenant=request.tenant, reason=convert.suspension_reason(request.suspension_reason)
    )


def _trial(request: pb.StartTrialRequest) -> lifecycle.StartTrial:
    return lifecycle.StartTrial(
        tenant=request.tenant,
        until=convert_tenants.required_instant(request, "until"),
        then=convert.tenant_state_filter(request.then, "then"),
    )


def _grace(request: pb.StartGraceRequest) -> lifecycle.StartGrace:
    until = convert_tenants.required_instant(request, "until")
    return lifecycle.StartGrace(tenant=request.tenant, until=until)


def _one(request: pb.ActivateTenantRequest) -> OneTenant:
    return OneTenant(tenant=request.tenant)


def _end(request: pb.OffboardTenantRequest) -> offboarding.OffboardTenant:
    at = convert_tenants.optional_instant(request, "at")
    return offboarding.OffboardTenant(tenant=request.tenant, at=at)


def _return(request: pb.ReactivateTenantRequest) -> offboarding.ReactivateTenant:
    return offboarding.ReactivateTenant(tenant=request.tenant, tier=request.tier)
