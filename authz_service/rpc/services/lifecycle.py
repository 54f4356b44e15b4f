"""The part of ProvisioningService that is about whether accounts are open."""

from typing import Any

from authz_service.gen.authz.v1 import provisioning_pb2 as pb
from authz_service.rpc.calls import AdminCalls, Context
from authz_service.rpc.messages import tenants, values
from authz_service.usecases.tenants import offboarding, states
from authz_service.usecases.tenants.onboarding import OneTenant


class LifecycleServicer:
    def __init__(self, calls: AdminCalls) -> None:
        self._calls = calls

    def SuspendTenant(
        self, request: pb.SuspendTenantRequest, context: Context
    ) -> pb.SuspendTenantResponse:
        answer = self._calls.change(request, context, states.suspend_tenant, _suspension)
        return pb.SuspendTenantResponse(
            tenant=tenants.tenant_message(answer.value), revision=answer.revision
        )

    def ResumeTenant(
        self, request: pb.ResumeTenantRequest, context: Context
    ) -> pb.ResumeTenantResponse:
        answer = self._calls.change(request, context, states.resume_tenant, _suspension)
        return pb.ResumeTenantResponse(
            tenant=tenants.tenant_message(answer.value), revision=answer.revision
        )

    def StartTrial(self, request: pb.StartTrialRequest, context: Context) -> pb.StartTrialResponse:
        answer = self._calls.change(request, context, states.start_trial, _trial)
        return pb.StartTrialResponse(
            tenant=tenants.tenant_message(answer.value), revision=answer.revision
        )

    def StartGrace(self, request: pb.StartGraceRequest, context: Context) -> pb.StartGraceResponse:
        answer = self._calls.change(request, context, states.start_grace, _grace)
        return pb.StartGraceResponse(
            tenant=tenants.tenant_message(answer.value), revision=answer.revision
        )

    def ActivateTenant(
        self, request: pb.ActivateTenantRequest, context: Context
    ) -> pb.ActivateTenantResponse:
        answer = self._calls.change(request, context, states.activate_tenant, _one)
        return pb.ActivateTenantResponse(
            tenant=tenants.tenant_message(answer.value), revision=answer.revision
        )

    def OffboardTenant(
        self, request: pb.OffboardTenantRequest, context: Context
    ) -> pb.OffboardTenantResponse:
        answer = self._calls.change(request, context, offboarding.offboard_tenant, _end)
        return pb.OffboardTenantResponse(
            tenant=tenants.tenant_message(answer.value),
            ended=tenants.counts_message(answer.value.ended),
            revision=answer.revision,
        )

    def ReactivateTenant(
        self, request: pb.ReactivateTenantRequest, context: Context
    ) -> pb.ReactivateTenantResponse:
        answer = self._calls.change(request, context, offboarding.reactivate_tenant, _return)
        return pb.ReactivateTenantResponse(
            tenant=tenants.tenant_message(answer.value.tenant),
            restored=tenants.counts_message(answer.value.restored),
            left_out=[tenants.left_out_message(each) for each in answer.value.left_out],
            revision=answer.revision,
        )


def _suspension(request: Any) -> states.Suspension:
    return states.Suspension(
        tenant=request.tenant, reason=values.suspension_reason(request.suspension_reason)
    )


def _trial(request: pb.StartTrialRequest) -> states.StartTrial:
    return states.StartTrial(
        tenant=request.tenant,
        until=tenants.required_instant(request, "until"),
        then=values.tenant_state_filter(request.then, "then"),
    )


def _grace(request: pb.StartGraceRequest) -> states.StartGrace:
    until = tenants.required_instant(request, "until")
    return states.StartGrace(tenant=request.tenant, until=until)


def _one(request: pb.ActivateTenantRequest) -> OneTenant:
    return OneTenant(tenant=request.tenant)


def _end(request: pb.OffboardTenantRequest) -> offboarding.OffboardTenant:
    at = tenants.optional_instant(request, "at")
    return offboarding.OffboardTenant(tenant=request.tenant, at=at)


def _return(request: pb.ReactivateTenantRequest) -> offboarding.ReactivateTenant:
    return offboarding.ReactivateTenant(tenant=request.tenant, tier=request.tier)
