"""ProvisioningService: customers' accounts and who belongs to them."""

from collections.abc import Callable
from datetime import timedelta

from authz_service.domain.billing_policy import BillingPolicy
from authz_service.gen.authz.v1 import provisioning_pb2 as pb
from authz_service.rpc.calls import AdminCalls, Context
from authz_service.rpc.messages import catalog, tenants, values
from authz_service.rpc.services.customer_import import ImportServicer
from authz_service.rpc.services.holdings import HoldingServicer
from authz_service.rpc.services.invitations import InvitationServicer
from authz_service.rpc.services.lifecycle import LifecycleServicer
from authz_service.rpc.services.members import MemberServicer
from authz_service.rpc.services.schedule import ScheduleServicer
from authz_service.rpc.services.tier_change import TierChangeServicer
from authz_service.usecases.tenants import onboarding


class ProvisioningServicer(
    HoldingServicer,
    LifecycleServicer,
    ScheduleServicer,
    MemberServicer,
    InvitationServicer,
    TierChangeServicer,
    ImportServicer,
):
    def __init__(
        self,
        calls: AdminCalls,
        new_secret: Callable[[], str],
        invitation_lifetime: timedelta,
        billing_policy: Callable[[], BillingPolicy],
    ) -> None:
        HoldingServicer.__init__(self, calls)
        LifecycleServicer.__init__(self, calls)
        ScheduleServicer.__init__(self, calls)
        MemberServicer.__init__(self, calls)
        InvitationServicer.__init__(self, calls, new_secret, invitation_lifetime)
        TierChangeServicer.__init__(self, calls, billing_policy)
        ImportServicer.__init__(self, calls)
        self._calls = calls

    def OnboardTenant(
        self, request: pb.OnboardTenantRequest, context: Context
    ) -> pb.OnboardTenantResponse:
        answer = self._calls.change(request, context, onboarding.onboard_tenant, _onboarding)
        return pb.OnboardTenantResponse(
            tenant=tenants.tenant_message(answer.value.tenant),
            members=[values.member_message(member) for member in answer.value.members],
            revision=answer.revision,
        )

    def UpdateTenant(
        self, request: pb.UpdateTenantRequest, context: Context
    ) -> pb.UpdateTenantResponse:
        answer = self._calls.change(request, context, onboarding.update_tenant, _update)
        return pb.UpdateTenantResponse(
            tenant=tenants.tenant_message(answer.value), revision=answer.revision
        )

    def GetTenant(self, request: pb.GetTenantRequest, context: Context) -> pb.GetTenantResponse:
        answer = self._calls.read(
            request,
            context,
            onboarding.get_tenant,
            lambda r: onboarding.OneTenant(tenant=r.tenant),
        )
        found = answer.value
        bought = catalog.limit_message(found.seats.limit) if found.seats else None
        return pb.GetTenantResponse(
            tenant=tenants.tenant_message(found.tenant),
            members=found.members,
            seats_taken=found.seats_taken,
            seats=bought,
            revision=answer.revision,
        )

    def ListTenants(
        self, request: pb.ListTenantsRequest, context: Context
    ) -> pb.ListTenantsResponse:
        answer = self._calls.read(request, context, onboarding.list_tenants, _query)
        return pb.ListTenantsResponse(
            tenants=[tenants.tenant_message(item) for item in answer.value.page.items],
            next_page_token=answer.value.page.next_token,
            total_size=answer.value.total,
            revision=answer.revision,
        )


def _onboarding(request: pb.OnboardTenantRequest) -> onboarding.OnboardTenant:
    return onboarding.OnboardTenant(
        tenant=request.tenant,
        tier=request.tier,
        display_name=request.display_name,
        trial=request.trial,
        trial_until=tenants.optional_instant(request, "trial_until"),
        after_trial=values.tenant_state_filter(request.after_trial, "after_trial"),
        add_ons=tuple(request.add_ons),
        limits=tenants.limits(request.limits),
        members=tuple(values.new_member(member) for member in request.members),
    )


def _update(request: pb.UpdateTenantRequest) -> onboarding.UpdateTenant:
    return onboarding.UpdateTenant(
        tenant=request.tenant,
        display_name=request.display_name,
        mask=tuple(request.update_mask.paths),
        expected_revision=request.expected_revision,
    )


def _query(request: pb.ListTenantsRequest) -> onboarding.ListTenants:
    return onboarding.ListTenants(
        page=values.page(request),
        state=values.tenant_state_filter(request.state),
        tier=request.tier,
        add_on=request.add_on,
        id_prefix=request.id_prefix,
        text=request.text,
    )
